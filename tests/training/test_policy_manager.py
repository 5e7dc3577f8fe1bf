"""Policy files of runs: which file is written, and that every version stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.policy import AdapterReference, Lineage, PolicyFile, parse_policy_file, read_policy_file
from training.policy_manager import DEFAULT_POLICY, PolicyManager, PolicyPlace, choose_policy_file

AGENTS = ("piston_0", "piston_1")
PATH, OWN = Path("policies/policy.json"), Path("experiments/run/policy.json")
TIME = "2026-01-01T00:00:00+00:00"


def texts(text: str) -> dict[str, str]:
    return dict.fromkeys(AGENTS, text)


def file_of(agents: tuple[str, ...] = AGENTS, **fields: Any) -> PolicyFile:
    version = {"agent_policies": {agent: {"policy": f"of {agent}"} for agent in agents}}
    data = {"current_iteration": 0, "num_agents": len(agents), "policies": {"iteration_0": version}}
    return parse_policy_file(data | fields, "policy file")


def test_without_a_file_every_agent_has_the_default_and_nothing_is_written(tmp_path: Path) -> None:
    manager = PolicyManager(tmp_path / "policy.json", 3)
    assert manager.get_current_policies() == dict.fromkeys(["piston_0", "piston_1", "piston_2"], DEFAULT_POLICY)
    assert list(tmp_path.iterdir()) == []
    assert PolicyManager(tmp_path / "policy.json").num_agents == 20


def test_the_default_names_no_action_and_no_situation() -> None:
    words = set(DEFAULT_POLICY.lower().replace(".", "").split())
    assert not words & {"push", "push_up", "up", "down", "retract", "stay", "left", "right", "ball", "when", "goal"}


def test_the_file_has_the_documented_form(tmp_path: Path) -> None:
    path = tmp_path / "policies" / "policy.json"
    manager = PolicyManager(path, agent_names=AGENTS)
    manager.save_updated_policies(texts("push"), {"avg_reward": 3.5}, timestamp=TIME)
    data = json.loads(path.read_text())
    assert data == {
        "version": 1,
        "current_iteration": 1,
        "num_agents": 2,
        "policies": {
            "iteration_0": {
                "timestamp": None,
                "agent_policies": {agent: {"policy": DEFAULT_POLICY} for agent in AGENTS},
                "training_stats": None,
            },
            "iteration_1": {
                "timestamp": TIME,
                "agent_policies": {agent: {"policy": "push"} for agent in AGENTS},
                "training_stats": {"avg_reward": 3.5},
            },
        },
    }


def test_every_version_stays_and_they_are_in_numeric_order(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    manager = PolicyManager(path, agent_names=AGENTS)
    for i in range(1, 12):
        manager.save_updated_policies(texts(f"version {i}"), {"avg_reward": i}, timestamp=TIME)
    again = PolicyManager(path, agent_names=AGENTS)
    assert again.get_iteration_count() == 12
    assert again.current_iteration == 11
    assert again.get_current_policies() == texts("version 11")
    assert again.load_specific_iteration(2) == texts("version 2")
    assert list(json.loads(path.read_text())["policies"]) == [f"iteration_{i}" for i in range(12)]
    history = again.get_training_history()
    assert [row["iteration"] for row in history] == [f"iteration_{i}" for i in range(1, 12)]
    assert history[1] == {"iteration": "iteration_2", "timestamp": TIME, "avg_reward": 2}


def test_lineage_and_adapters_are_kept(tmp_path: Path) -> None:
    adapter = AdapterReference(path="adapters/ab", sha256="ab" * 32, base_model="tiny")
    lineage = Lineage(parent="p", gradient="g", model="rulebook", accepted=False, score=12.5)
    manager = PolicyManager(tmp_path / "policy.json", agent_names=AGENTS)
    manager.save_updated_policies(texts("push"), lineage=lineage, adapters={"piston_1": adapter})
    version = read_policy_file(tmp_path / "policy.json").current
    assert version.lineage == lineage
    assert [version.agent_policies[agent].adapter for agent in AGENTS] == [None, adapter]


def test_a_run_that_repeats_itself_repeats_its_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    manager = PolicyManager(path, agent_names=AGENTS)
    for i in range(3):
        manager.save_updated_policies(texts(f"version {i}"), {"avg_reward": i})
    before = path.read_bytes()
    manager.reset_to_iteration(1)
    for i in (1, 2):
        manager.save_updated_policies(texts(f"version {i}"), {"avg_reward": i})
    assert path.read_bytes() == before


def test_resetting_keeps_what_is_trained_over(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    manager = PolicyManager(path, agent_names=AGENTS)
    for text in ("one", "two"):
        manager.save_updated_policies(texts(text), timestamp=TIME)
    manager.reset_to_iteration(1)
    assert PolicyManager(path, agent_names=AGENTS).get_current_policies() == texts("one")
    manager.save_updated_policies(texts("another two"), timestamp=TIME)
    file = read_policy_file(path)
    assert file.current.agent_policies["piston_0"].policy == "another two"
    assert [kept.version.agent_policies["piston_0"].policy for kept in file.superseded] == ["two"]


def test_unknown_versions_are_refused_with_those_there_are(tmp_path: Path) -> None:
    manager = PolicyManager(tmp_path / "policy.json", agent_names=AGENTS)
    manager.save_updated_policies(texts("push"))
    for call in (manager.load_specific_iteration, manager.reset_to_iteration):
        with pytest.raises(ValueError, match="there is no iteration 7; there are 0, 1"):
            call(7)


def test_what_cannot_be_saved_is_refused_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    manager = PolicyManager(path, agent_names=AGENTS)
    manager.save_updated_policies(texts("push"))
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"must be of 2 agents \(piston_0 … piston_1\), not of 1 agent \(piston_0\)"):
        manager.save_updated_policies({"piston_0": "push"})
    with pytest.raises(ConfigError, match="cannot be saved"):
        manager.save_updated_policies(texts("push"), {"avg_reward": float("nan")})
    with pytest.raises(ConfigError, match=r"cannot be saved .*training_stats.avg_reward.*not a valid JSON value"):
        manager.save_updated_policies(texts("push"), {"avg_reward": object()})
    with pytest.raises(ConfigError, match="cannot be saved"):
        manager.save_updated_policies(texts("half a character: \ud800"))
    assert manager.current_iteration == 1
    assert path.read_bytes() == before


def test_an_unwritable_place_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    manager = PolicyManager(tmp_path / "file" / "policy.json", agent_names=AGENTS)
    with pytest.raises(ConfigError, match=r"cannot be written: File exists; name another file with --policy_path"):
        manager.save_updated_policies(texts("push"))


def test_files_of_other_teams_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    PolicyManager(path, 2).save_updated_policies(texts("push"))
    with pytest.raises(FileFormatError, match=r"is for 2 agents .*, not 3 agents .* change the number of agents"):
        PolicyManager(path, 3)
    with pytest.raises(FileFormatError, match="not 2 agents"):
        PolicyManager(path, agent_names=("a", "b"))


def test_one_text_for_the_team_serves_any_number(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"team_policy": {"policy": "all push"}}))
    manager = PolicyManager(path, 3)
    assert set(manager.get_current_policies().values()) == {"all push"}
    manager.save_updated_policies({f"piston_{i}": str(i) for i in range(3)})
    again = PolicyManager(path, 3)
    assert again.get_current_policies()["piston_2"] == "2"
    assert again.load_specific_iteration(0)["piston_2"] == "all push"


def test_diff_shows_the_agents_that_changed(tmp_path: Path) -> None:
    manager = PolicyManager(tmp_path / "policy.json", agent_names=AGENTS)
    manager.save_updated_policies({"piston_0": "stay\npush", "piston_1": "stay"})
    manager.save_updated_policies({"piston_0": "stay\nretract", "piston_1": "stay"})
    assert manager.diff(1, 2) == {
        "piston_0": "--- iteration_1\n+++ iteration_2\n@@ -1,2 +1,2 @@\n stay\n-push\n+retract\n"
    }
    assert manager.diff(2, 2) == {}


# -- which file a run may write ------------------------------------------------------------------------------------


def choose(file: PolicyFile | None, **changes: Any) -> PolicyPlace:
    arguments: dict[str, Any] = {
        "own": OWN,
        "own_exists": False,
        "agents": AGENTS,
        "experiment": "run",
        "given": False,
    }
    return choose_policy_file(PATH, file, **(arguments | changes))


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    "file", [None, file_of(), file_of(experiment="run"), file_of(experiment="run", first_iteration=0)]
)
def test_a_new_file_a_file_of_nobody_and_ones_own_are_written(file: PolicyFile | None, given: bool) -> None:
    assert choose(file, given=given) == PolicyPlace(None if file is None else PATH, PATH)


@pytest.mark.parametrize("given", [True, False])
def test_a_published_file_is_only_read(given: bool) -> None:
    place = choose(file_of(published=True), given=given)
    assert (place.read, place.write) == (PATH, OWN)
    assert place.note == f"policy file {PATH} is published: starting from it, writing {OWN}"
    overwritten = choose(file_of(published=True, experiment="run"), overwrite=True, given=given)
    assert overwritten.write == OWN


def test_a_file_of_another_experiment_is_written_only_if_it_was_named() -> None:
    file = file_of(experiment="other")
    place = choose(file)
    assert (place.read, place.write) == (PATH, OWN)
    assert place.note == f"policy file {PATH} is of experiment other: starting from it, writing {OWN}"
    named = choose(file, given=True)
    assert (named.read, named.write) == (PATH, PATH)
    assert "experiment other" in named.note


def test_a_file_of_other_agents_is_left_alone_or_refused() -> None:
    file = file_of(("piston_0", "piston_1", "piston_2"))
    place = choose(file)
    assert (place.read, place.write) == (None, OWN)
    assert "is for 3 agents (piston_0 … piston_2), this run has 2 agents" in place.note
    with pytest.raises(FileFormatError, match="name another file with --policy_path"):
        choose(file, given=True)


@pytest.mark.parametrize("given", [True, False])
def test_a_run_goes_on_with_its_own_file(given: bool) -> None:
    place = choose(file_of(published=True), own_exists=True, given=given)
    assert (place.read, place.write) == (OWN, OWN)
    assert choose(file_of(), own_exists=True, overwrite=True) == PolicyPlace(PATH, PATH)


def test_starting_anew_starts_the_policy_anew() -> None:
    place = choose(file_of(experiment="run"), overwrite=True)
    assert (place.read, place.write) == (None, PATH)
    assert choose(file_of(experiment="other"), overwrite=True).write == OWN


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    ("file", "found"),
    [
        (None, "does not exist"),
        (file_of(), "is of experiment none"),
        (file_of(experiment="other"), "is of experiment other"),
        (file_of(("a",), experiment="other"), "is of experiment other"),
        (file_of(published=True), "is of experiment none"),
    ],
)
def test_a_run_goes_on_with_no_policies_but_its_own(file: PolicyFile | None, found: str, given: bool) -> None:
    with pytest.raises(ConfigError) as caught:
        choose(file, continuing=True, given=given)
    assert str(caught.value) == (
        f"experiment run cannot go on: policy file {PATH} {found}; name the file that it wrote with --policy_path, or "
        "start it anew with --overwrite"
    )


@pytest.mark.parametrize("given", [True, False])
def test_a_run_goes_on_with_the_file_it_wrote(given: bool) -> None:
    file = file_of(experiment="run")
    assert choose(file, continuing=True, given=given) == PolicyPlace(PATH, PATH)
    assert choose(None, continuing=True, own_exists=True, given=given).read == OWN


# -- the file of a run ---------------------------------------------------------------------------------------------


def begin(place: PolicyPlace, experiment: str = "run") -> PolicyManager:
    return PolicyManager.for_run(place, AGENTS, experiment, timestamp=TIME)


def test_a_run_without_a_file_begins_one(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    manager = begin(PolicyPlace(None, path))
    assert manager.get_current_policies() == texts(DEFAULT_POLICY)
    file = read_policy_file(path)
    assert (file.experiment, file.first_iteration, file.current.timestamp) == ("run", 0, TIME)
    assert PolicyManager(path, 2).file == file


def test_a_run_that_only_reads_starts_with_the_policies_in_use(tmp_path: Path) -> None:
    source, target = tmp_path / "published.json", tmp_path / "run" / "policy.json"
    PolicyManager(source, 2).save_updated_policies(texts("push"), timestamp=TIME)
    before = source.read_bytes()
    manager = begin(PolicyPlace(source, target))
    manager.save_updated_policies(texts("push more"))
    assert source.read_bytes() == before
    file = read_policy_file(target)
    assert file.iterations == (0, 1)
    assert manager.load_specific_iteration(0) == texts("push")
    assert file.at(0).lineage is not None


def test_a_run_on_a_named_file_goes_on_behind_its_versions(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    first = begin(PolicyPlace(None, path), "one")
    for i in range(3):
        first.save_updated_policies(texts(f"one {i}"))
    second = begin(PolicyPlace(path, path), "two")
    assert (second.first_iteration, second.get_current_policies()) == (3, texts("one 2"))
    second.save_updated_policies(texts("two 0"))
    again = begin(PolicyPlace(path, path), "two")
    assert (again.first_iteration, again.current_iteration) == (3, 4)
    assert again.load_specific_iteration(1) == texts("one 0")


def test_starting_anew_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    begin(PolicyPlace(None, path)).save_updated_policies(texts("push"))
    manager = begin(PolicyPlace(None, path))
    assert manager.get_current_policies() == texts(DEFAULT_POLICY)
    assert read_policy_file(path).iterations == (0,)
