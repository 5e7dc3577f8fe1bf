"""Advantages against straightforward computations; whom a row is compared with; groups that say nothing."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_episodes import episode, step

from textgrad_agents.errors import ConfigError
from training.numeric import MovingBaselines, Row, advantages, rows_of


def row(reward: float, run: str, group: tuple[str | int, ...] = ("t", 0, "p", "r", 0), **changes: Any) -> Row:
    nothing = np.zeros(1, np.int32)
    fields: dict[str, Any] = {"episode": run, "trajectory": f"{run}/a", "agent": "a"}
    return Row(nothing, nothing, np.zeros(1, np.float32), np.ones(1, np.bool_), reward, group=group, **fields | changes)


def values(rows: list[Row], kind: Any) -> list[float]:
    return [one.advantage for one in advantages(rows, kind).rows]


returns = st.lists(st.floats(-100, 100).map(lambda one: round(one, 3)), min_size=2, max_size=6)


@given(returns)
def test_a_group_of_single_runs(rewards: list[float]) -> None:
    rows = [row(one, f"e{i}") for i, one in enumerate(rewards)]
    same = len(set(rewards)) == 1
    mean = statistics.fmean(rewards)
    expected = [0.0 if same else one - mean for one in rewards]
    np.testing.assert_allclose(values(rows, "group_mean"), expected, atol=1e-9)
    std = statistics.stdev(rewards)
    np.testing.assert_allclose(values(rows, "grpo_std"), [one / (std + 1e-4) for one in expected], atol=1e-6)
    others = [(sum(rewards) - one) / (len(rewards) - 1) for one in rewards]
    left = [0.0 if same else one - other for one, other in zip(rewards, others, strict=True)]
    np.testing.assert_allclose(values(rows, "leave_one_out"), left, atol=1e-9)
    assert values(rows, "none") == rewards


@given(rewards=returns, agents=st.integers(1, 4))
def test_agents_who_share_a_reward_are_not_their_own_baseline(rewards: list[float], agents: int) -> None:
    rows = [row(one, f"e{i}", trajectory=f"e{i}/{k}") for i, one in enumerate(rewards) for k in range(agents)]
    single = values([row(one, f"e{i}") for i, one in enumerate(rewards)], "leave_one_out")
    np.testing.assert_allclose(values(rows, "leave_one_out"), np.repeat(single, agents), atol=1e-9)


@pytest.mark.parametrize("kind", ["group_mean", "leave_one_out", "grpo_std"])
@pytest.mark.parametrize("reward", [0.1, 1 / 3, 1e300])
def test_a_dead_group_is_exactly_zero_and_counted(kind: Any, reward: float) -> None:
    dead = [row(reward, f"d{i}", ("t", 0)) for i in range(7)]
    alive = [row(float(i), f"a{i}", ("t", 1)) for i in range(2)]
    found = advantages([*dead, *alive], kind)
    assert [one.advantage for one in found.rows[:7]] == [0.0] * 7
    assert found.rows[8].advantage > 0 > found.rows[7].advantage
    assert (found.groups, found.dead, found.alone) == (2, 1, 0)


def test_the_baseline_per_time_step_is_over_sibling_episodes_of_one_seed() -> None:
    """Two agents of one role with one reward, three episodes of one seed and one of another."""
    rewards = {0: [1.0, 0.0], 1: [0.0, 2.0], 2: [4.0, 1.0], 3: [100.0, 100.0]}
    episodes = [
        episode(*([step(a, t, r) for t, r in enumerate(own)] for a in "ab"), episode_id=k, seed=int(k == 3))
        for k, own in rewards.items()
    ]
    rows = rows_of(episodes, returns="to_go", roles={"a": "piston", "b": "piston"})
    found = advantages(rows, "leave_one_out")
    to_go = {k: [sum(own[t:]) for t in range(2)] for k, own in rewards.items()}
    for one, k in zip(found.rows, np.repeat([0, 1, 2, 3], 4), strict=True):
        if k == 3:
            assert one.advantage == 0.0
        else:
            others = [to_go[j][one.timestep] for j in range(3) if j != k]
            assert one.advantage == pytest.approx(to_go[k][one.timestep] - sum(others) / 2)
    assert (found.alone, found.groups) == (4, 2)


def test_who_is_alone_is_compared_without_the_turn_and_then_without_the_prompt() -> None:
    rows = [
        row(1.0, "e0", ("t", 0, "p", "r", 0)),
        row(3.0, "e1", ("t", 0, "p", "r", 0)),
        row(5.0, "e0", ("t", 0, "p", "r", 1)),  # nobody else at turn 1
        row(9.0, "e2", ("t", 0, "q", "r", 0)),  # nobody else with prompt q
        row(7.0, "e3", ("t", 0, "p", "s", 0)),  # nobody else of role s
        row(7.0, "e4", ("t", 1, "p", "r", 0)),  # nobody else of seed 1
    ]
    found = advantages(rows, "group_mean")
    assert [one.advantage for one in found.rows] == [-1.0, 1.0, 5 - 3, 9 - (1 + 3 + 5 + 9) / 4, 0.0, 0.0]
    assert (found.groups, found.alone, found.dead) == (3, 2, 0)


def test_turns_of_one_run_are_no_group() -> None:
    rows = [row(float(turn), "e0", ("t", 0, "p", "r", turn)) for turn in range(3)]
    found = advantages(rows, "group_mean")
    assert (found.alone, found.groups) == (3, 0)


# -- opposed rewards ---------------------------------------------------------------------------------------------------


def test_opposed_agents_are_compared_with_their_own_past() -> None:
    moving = MovingBaselines(decay=0.5)
    first = [row(1.0, "e0", agent="x", trajectory="e0/x"), row(-1.0, "e0", agent="y", trajectory="e0/y")]
    assert [one.advantage for one in advantages(first, "ema", moving=moving).rows] == [1.0, -1.0]
    again = advantages(first, "ema", moving=moving)
    assert [one.advantage for one in again.rows] == [0.0, 0.0]
    third = advantages([row(-1.0, "e2", agent="x", trajectory="e2/x")], "ema", moving=moving)
    assert third.rows[0].advantage == -2.0
    # returns 1, 1, -1 weigh 1/8, 1/4, 1/2
    assert moving["t:x"] == pytest.approx((1 / 8 + 1 / 4 - 1 / 2) / (7 / 8))


def test_a_run_of_many_rows_moves_the_baseline_once() -> None:
    one, many = MovingBaselines(), MovingBaselines()
    advantages([row(2.0, "e0")], "ema", moving=one)
    advantages([row(1.0, "e0"), row(3.0, "e0")], "ema", moving=many)
    assert one.state() == many.state()


def test_moving_baselines_go_on_from_their_state() -> None:
    moving, other = MovingBaselines(), MovingBaselines()
    advantages([row(2.0, "e0"), row(5.0, "e1")], "ema", moving=moving)
    other.restore(moving.state())
    assert other.state() == moving.state()
    assert other["t:a"] == moving["t:a"] != 0


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match="goes on from batch to batch"):
        advantages([row(1.0, "e0")], "ema")
    with pytest.raises(ConfigError, match="not 'mean'"):
        advantages([], "mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="below 1, not 1"):
        MovingBaselines(1.0)
