"""The record: totals, order, and that "unscored" is not zero."""

from __future__ import annotations

import dataclasses

import pytest

from textgrad_agents.messages import Usage
from textgrad_agents.situations import format_situation
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory


def step(agent: str, timestep: int, reward: float | None = None, **fields: object) -> Step:
    return Step(agent=agent, timestep=timestep, reward=reward, usage=Usage(10, 1), **fields)  # pyright: ignore[reportArgumentType]


def episode() -> Episode:
    return Episode(
        trajectories=(
            Trajectory("b", (step("b", 0, 1.0), step("b", 1, None))),
            Trajectory("a", (step("a", 0, 0.5), step("a", 1, -2.0))),
        ),
        cycles=(Cycle(0, "start", {"x": 1}, 0.75), Cycle(1, "end", {"x": 2}, -2.0, done=True)),
        total_reward=-1.25,
        length=2,
    )


def test_agents_keep_the_order_of_the_environment() -> None:
    assert episode().agents == ("b", "a")
    assert [(one.agent, one.timestep) for one in episode().steps()] == [("b", 0), ("b", 1), ("a", 0), ("a", 1)]


def test_unscored_steps_are_left_out_of_totals() -> None:
    first, second = episode().trajectories
    assert first.total_reward == 1.0
    assert second.total_reward == -1.5
    assert step("a", 0).reward is None


def test_usage_is_that_of_all_decisions() -> None:
    assert episode().usage == Usage(40, 4)


def test_a_step_knows_the_situation_of_its_observation() -> None:
    line = format_situation(["the ball is above me"])
    assert step("a", 0, observation=f"I am a.\n{line}").situation == "the ball is above me"
    assert step("a", 0, observation="I am a.").situation is None


def test_records_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        episode().total_reward = 0.0  # pyright: ignore[reportAttributeAccessIssue]
