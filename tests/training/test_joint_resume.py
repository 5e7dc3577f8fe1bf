"""A run that trains texts and weights, killed with -9, ends in the same policies and the same weights, byte by byte."""

import json
import random

import pytest
from killed_runs import Run, check, starting
from local_models import write_lamp_model


@pytest.fixture(scope="module")
def starter():
    with starting() as process:
        yield process


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return {
        "seed": 3,
        "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 3},
        "base_model": str(write_lamp_model(tmp_path_factory.mktemp("model"))),
        "update": "both",
        "prompts": "bare",
        "exploration": 1.0,
        "siblings": 2,
        "gate": "mean",
        "gate_episodes": 1,
        "numeric": {"max_tokens": 1, "lr": 0.01, "rank": 2},
    }


@pytest.fixture(scope="module")
def whole(starter, settings, tmp_path_factory):
    """The run that nobody killed, and how it went."""
    run = Run(tmp_path_factory.mktemp("whole"), starter, settings)
    return run, run.start()


def test_both_learn_in_every_iteration(whole):
    run, _ = whole
    rows = json.loads((run.tree / "summary.json").read_text())
    assert all(row["weights"]["changed"] for row in rows)
    assert all(row["weights"]["rows"] == 12 for row in rows)
    assert {role for role, _ in run.paid()} == {"critic", "optimizer"}
    policies = json.loads((run.folder / "policy.json").read_text())["policies"]
    hashes = [
        {policy.get("adapter", {}).get("sha256") for policy in version["agent_policies"].values()}
        for version in policies.values()
    ]
    assert hashes[0] == {None}
    assert [len(one) for one in hashes] == [1, 1, 1, 1]
    assert len(set.union(*hashes)) == 4
    assert len(list((run.tree / "adapters").iterdir())) == 3


def kill_between_writes(starter, whole, folder, moments):
    reference, _ = whole
    kills = 0
    for moment in moments:
        run = Run(folder / f"run_{moment}", starter, reference.settings)
        killed = run.start(kill_at=moment)["killed"]
        if killed:
            run.start()
        check(run, reference, int(killed))
        kills += killed
    return kills


def test_killed_between_two_writes(starter, whole, tmp_path):
    moments = random.Random(1).sample(range(30, whole[1]["writes"] - 20), 4)
    assert kill_between_writes(starter, whole, tmp_path, moments) >= 3


def test_killed_again_and_again_at_random_times(starter, whole, tmp_path):
    reference, outcome = whole
    times = random.Random(2)
    run = Run(tmp_path / "run", starter, reference.settings)
    kills = sum(run.start(kill_after=times.uniform(0.2, 0.9) * outcome["seconds"])["killed"] for _ in range(3))
    run.start()
    check(run, reference, kills)
    assert kills >= 1


EVERYTHING = {
    "mini_batch_size": 2,
    "trajectories_per_iteration": 4,
    "credit_summary": True,
    "gradient_memory": 2,
    "gate_scope": "agent",
    "restore_best": True,
    "recall": 2,
    "numeric": {"max_tokens": 1, "lr": 0.01, "rank": 2, "baseline": "ema", "credit": "agents", "returns": "to_go"},
}


def test_killed_with_all_that_learners_may_remember(starter, settings, tmp_path):
    whole = Run(tmp_path / "whole", starter, settings | EVERYTHING)
    outcome = whole.start()
    rows = json.loads((whole.tree / "summary.json").read_text())
    assert rows[0]["weights"]["rows"] >= 24
    assert rows[1]["weights"]["rows"] > 24, "old episodes are recalled"
    assert kill_between_writes(
        starter, (whole, outcome), tmp_path, [int(outcome["writes"] * part) for part in (0.4, 0.8)]
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_between_many_writes(starter, whole, tmp_path):
    moments = random.Random(4).sample(range(1, whole[1]["writes"] - 20), 15)
    assert kill_between_writes(starter, whole, tmp_path, moments) >= 12
