"""Published policies load, are marked as such, and do what their description says."""

from pathlib import Path

import pytest

from textgrad_agents.policy import read_policy_file
from training import EpisodeGenerator, PolicyManager

FOLDER = Path(__file__).parents[2] / "policies"
FILES = sorted(path for path in FOLDER.glob("*/*.json") if path.name != "config.json")


def test_there_are_some():
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_loads_and_says_what_it_is(path):
    file = read_policy_file(path)
    assert file.published
    assert file.description
    assert file.current.lineage is not None


def test_the_rulebook_policy_carries_the_ball():
    policies = PolicyManager(FOLDER / "pistonball" / "rulebook.json", 10).get_current_policies()
    summary = EpisodeGenerator(num_pistons=10, seed=77).evaluate_policy(policies, num_episodes=5)
    assert summary["mean_reward"] > 90
