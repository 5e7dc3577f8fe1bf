"""Runs that are killed go on as if nothing had happened: no reply lost or paid for twice, the same bytes at the end."""

import json
import random

import pytest
from killed_runs import SETTINGS, UNDER_WAY, Run, check, keys, starting


@pytest.fixture(scope="module")
def starter():
    with starting() as process:
        yield process


@pytest.fixture(scope="module")
def whole(starter, tmp_path_factory):
    """The run that nobody killed, and how it went."""
    run = Run(tmp_path_factory.mktemp("whole"), starter)
    outcome = run.start()
    return run, outcome


def kill_at_random(starter, whole, folder, kills, seed):
    """Kill runs until they were killed so often in all, each until it is finished; returns calls paid for twice."""
    moments = random.Random(seed)
    reference, outcome = whole
    done = number = twice = 0
    while done < kills:
        run = Run(folder / f"run_{number}", starter)
        number += 1
        here = 0
        while True:
            before, recorded = len(run.paid()), run.recorded()
            last = done + here >= kills
            killed = run.start(kill_after=None if last else moments.uniform(0, 0.7 * outcome["seconds"]))["killed"]
            again = [call for call in run.paid()[before:] if keys(call) & recorded]
            assert again == [], "a recorded call was paid for again"
            assert run.recorded() >= recorded, "a recorded call was lost"
            if not killed:
                break
            here += 1
        check(run, reference, here)
        done += here
        twice += len(run.paid()) - len(reference.paid())
    return twice


def test_the_run_tries_all_that_matters(whole):
    run, _ = whole
    rows = json.loads((run.tree / "summary.json").read_text())
    assert [row["accepted"] for row in rows] == [False, False, True]
    assert all(row["by_role"]["actor"]["calls"] for row in rows)
    assert sum(row["cost_usd"] for row in rows) > 0
    states = [json.loads((run.tree / f"iteration_{i}/learners/textual/textual.json").read_text()) for i in range(3)]
    assert [len(state["optimizer"]["history"][0]["attempts"]) for state in states] == [1, 2, 2]
    assert [len(state["gate"]) for state in states] == [1, 2, 3]
    assert len(run.paid()) == len(set(run.paid())) == len(run.recorded())


def test_killed_at_20_random_moments(starter, whole, tmp_path):
    assert kill_at_random(starter, whole, tmp_path, 20, seed=1) <= 20 * UNDER_WAY


EVERYTHING = {
    "mini_batch_size": 1,
    "credit_summary": True,
    "gradient_memory": 2,
    "gate_scope": "agent",
    "patience": 1,
    "restore_best": True,
    "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 2},
}


def test_killed_with_all_that_learners_may_remember(starter, tmp_path):
    whole = Run(tmp_path / "whole", starter)
    outcome = whole.start(settings={**SETTINGS, **EVERYTHING})
    assert outcome["writes"] > 200
    for part in (0.3, 0.8):
        run = Run(tmp_path / f"killed at {part}", starter)
        killed = run.start(settings={**SETTINGS, **EVERYTHING}, kill_at=int(part * outcome["writes"]))["killed"]
        run.start(settings={**SETTINGS, **EVERYTHING})
        assert killed
        check(run, whole, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_100_random_moments(starter, whole, tmp_path):
    assert kill_at_random(starter, whole, tmp_path, 100, seed=2) <= 100 * UNDER_WAY


def kill_between_writes(starter, whole, folder, moments):
    """Kill a run at each moment, unless it ended before: how calls are grouped into writes is chance."""
    reference, _ = whole
    kills = 0
    for moment in moments:
        run = Run(folder / f"run_{moment}", starter)
        kills += run.start(kill_at=moment)["killed"]
        recorded, stamped = run.recorded(), run.timestamps() if (run.folder / "policy.json").exists() else {}
        before = len(run.paid())
        run.start()
        assert [call for call in run.paid()[before:] if keys(call) & recorded] == []
        assert run.timestamps().items() >= stamped.items()
        check(run, reference, 1)
    return kills


def test_killed_between_two_writes(starter, whole, tmp_path):
    writes = whole[1]["writes"]
    moments = [1, 2, *random.Random(3).sample(range(3, writes - 20), 8), writes - 20]
    assert kill_between_writes(starter, whole, tmp_path, moments) >= 8


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_between_many_writes(starter, whole, tmp_path):
    writes = whole[1]["writes"]
    moments = random.Random(4).sample(range(1, writes - 20), 100)
    assert kill_between_writes(starter, whole, tmp_path, moments) >= 80
