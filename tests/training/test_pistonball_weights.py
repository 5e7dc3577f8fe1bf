"""Pistonball by weights: what is chosen for small models, what is refused, and runs from the script to the policy."""

from __future__ import annotations

import importlib.util
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("peft")

from local_models import write_piston_model

from envs.pistonball import PistonballEnvironment
from textgrad_agents.policy import read_policy_file
from training import EpisodeLoader, TrainingConfig
from training.numeric.tiny.data import draw_example
from training.numeric.tiny.tokenizer import CHARACTERS
from training.small_models import chosen, with_defaults

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

SCRIPT = Path(__file__).parents[2] / "src" / "train_pistonball.py"
TINY: dict[str, Any] = {"base_model": "tiny"}
SHORT = ["--num_pistons", "4", "--max_cycles", "10", "--num_iterations", "2", "--progress", "none"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_piston_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the script in an empty folder; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("train_pistonball", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def call(*arguments: object) -> tuple[object, str, str]:
        try:
            code: object = script.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out = capsys.readouterr()
        return code, out.out, out.err

    return call


# -- what is chosen ----------------------------------------------------------------------------------------------------


def test_a_built_in_model_needs_no_other_flag() -> None:
    config = TrainingConfig(**with_defaults(TINY))
    assert config.environment.parameters()["observation"] == "compact"
    assert (config.update, config.prompts, config.exploration) == ("weights", "bare", 1.0)
    assert (config.siblings, config.mini_batch_size, config.decision_interval) == (4, 8, 4)
    numeric = config.numeric
    assert (numeric.max_tokens, numeric.returns, numeric.baseline) == (1, "to_go", "leave_one_out")
    assert numeric.entropy > 0
    assert config.concurrency >= config.num_pistons * config.trajectories_per_iteration


def test_what_was_given_stays() -> None:
    given = TINY | {"observation": "full", "siblings": 2, "exploration": 0.7, "numeric": '{"lr": 0.01, "rank": 4}'}
    settings = with_defaults(given)
    config = TrainingConfig(**settings)
    assert config.environment.parameters()["observation"] == "full"
    assert (config.siblings, config.mini_batch_size, config.exploration) == (2, 8, 0.7)
    assert (config.numeric.lr, config.numeric.rank, config.numeric.discount) == (0.01, 4, 0.95)
    [line] = chosen(given, settings)
    assert line.startswith("chosen for tiny (a flag replaces each): ")
    told, _, learner = line.partition(": ")[2].partition(", numeric ")
    names = {part.partition(" ")[0] for part in told.split(", ")}
    assert {"prompts", "decision_interval", "first_policy", "update"} <= names
    assert not names & {"observation", "siblings", "exploration", "base_model"}
    assert {"discount", "entropy"} <= json.loads(learner).keys()
    assert not json.loads(learner).keys() & {"lr", "rank"}


@pytest.mark.parametrize(
    ("episodes", "alike", "batch"), [(16, 4, 8), (8, 4, 4), (12, 4, 12), (6, 3, 3), (3, 3, 3), (11, 11, 11), (1, 1, 1)]
)
def test_episodes_are_compared_in_equal_groups(episodes: int, alike: int, batch: int) -> None:
    config = TrainingConfig(**with_defaults(TINY | {"trajectories_per_iteration": episodes}))
    assert (config.siblings, config.mini_batch_size) == (alike, batch)


def test_the_built_in_model_was_taught_this_form() -> None:
    """Each character is a token of its own, and what it saw before looks like what pistons are told."""
    table = PistonballEnvironment(num_pistons=10, observation="compact")
    table.reset(0)
    told = {table.observe(agent) for agent in table.agents}
    assert set("".join(told) + "dsu.") <= set(CHARACTERS)
    chance = random.Random(0)
    examples = [draw_example(chance) for _ in range(2000)]
    moves = [example for example in examples if example.task.endswith(":")]
    assert {example.reply for example in moves} == set("dsu")
    form = re.compile(r"[+-]\d[+-]\d\d{3}:")
    assert all(form.fullmatch(example.task) for example in moves)
    assert any(form.fullmatch(text) for text in told)


@pytest.mark.parametrize(
    "given",
    [
        {"environment": "pistonball"},
        {"base_model": "some/model"},
        {"environment": "pistonball", "base_model": "some/model", "update": "text"},
        {"environment": "lamps", "base_model": "tiny"},
    ],
)
def test_nothing_is_chosen_for_others(given: dict[str, Any]) -> None:
    assert with_defaults(given) == given
    assert chosen(given, with_defaults(given)) == []


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("update", ["both", "text"])
def test_a_built_in_model_follows_no_english_policy(run: Any, update: str) -> None:
    code, out, err = run("--base_model", "tiny", "--update", update)
    assert code == 2
    assert not out
    assert f"update '{update}' rewrites policies in English, which the built-in model tiny does not follow" in err
    assert "use update weights, or a base_model that follows instructions" in err


def test_moves_of_one_letter_are_discrete(run: Any, model: Path) -> None:
    code, _, err = run("--base_model", model, "--observation", "compact", "--action_mode", "continuous")
    assert code == 2
    assert "compact observations go with the moves d, s and u; use action_mode discrete" in err


# -- runs --------------------------------------------------------------------------------------------------------------


def test_from_the_script_to_a_policy_that_plays_again(run: Any, model: Path, tmp_path: Path) -> None:
    small = ["--observation", "compact", "--prompts", "bare", "--first_policy", ".", "--trajectories_per_iteration", 6]
    learner = '{"max_tokens": 1, "lr": 0.01, "kl_stop": 1, "rank": 2}'
    given = ["--base_model", model, "--update", "weights", *small, "--numeric", learner]
    code, out, _ = run(*SHORT, *given)
    assert code == 0
    assert f"chosen for {model} (a flag replaces each): " in out
    assert '"discount": 0.95' in out
    rows = json.loads((tmp_path / "experiments/pistonball_exp/summary.json").read_text())
    for number, row in enumerate(rows):
        episodes = EpisodeLoader("experiments").load_records("pistonball_exp", number)
        assert len(episodes) == 6
        assert len({episode.seed for episode in episodes}) == 2
        decisions = [step for episode in episodes for step in episode.steps() if step.messages]
        assert {step.timestep for step in decisions} == {0, 4, 8}
        assert {len(step.observation) for step in decisions} == {8}
        assert all(step.trace is not None and len(step.trace.action_ids) == 1 for step in decisions)
        assert {step.action_name for step in decisions if step.reply == "u"} == {"push_up"}
        weights = row["weights"]
        assert weights["changed"]
        assert (weights["rows"], weights["left_out"], weights["groups"]) == (len(decisions), 0, 6)
    versions = read_policy_file(tmp_path / "policies/policy.json")
    [adapter] = {policy.adapter for policy in versions.at(max(versions.iterations)).agent_policies.values()}
    assert adapter is not None
    code, out, _ = run(*SHORT, *given, "--evaluate", 2)
    assert code == 0
    assert "2 episodes: mean" in out


def test_words_and_weights_learn_with_a_model_of_ones_own(run: Any, model: Path, tmp_path: Path) -> None:
    cheap = ["--gate", "mean", "--gate_episodes", 1, "--trajectories_per_iteration", 2, "--num_iterations", 1]
    learner = '{"max_tokens": 1, "lr": 0.01, "kl_stop": 1, "rank": 2}'
    code, out, _ = run(*SHORT, "--base_model", model, "--update", "both", *cheap, "--numeric", learner)
    assert code == 0
    assert "engine of critic and optimizer: rulebook" in out
    [row] = json.loads((tmp_path / "experiments/pistonball_exp/summary.json").read_text())
    assert row["weights"]["rows"] == 4 * 3 * 2
    assert row["weights"]["changed"]
    assert row["accepted"] is not None  # a new text was tried, beside the weights
    assert row["textgrad_queries"] > 0
