from __future__ import annotations

import asyncio

import pytest

from textgrad_agents.errors import ConfigError
from textgrad_agents.optim import Example, MemoryOptimizer
from textgrad_agents.trajectory import Step, Trajectory

RUN = Trajectory(
    "a",
    tuple(
        Step(agent="a", timestep=place, observation=f"saw {place}", reply=reply, action_name="stay", reward=reward)
        for place, (reply, reward) in enumerate([("did", 1.0), ("", 2.0), ("did", -3.0), ("did", None)])
    ),
)


def test_good_steps_are_stored_with_their_value() -> None:
    stored: list[Example] = []
    memory = MemoryOptimizer(stored.append, discount=0.0)
    memory.aggregate([RUN])
    assert stored == []
    report = memory.step()
    assert stored == [Example("saw 0", "did", 1.0), Example("saw 1", "stay", 2.0)]
    assert not report.changed
    memory.step()
    assert len(stored) == 2


def test_the_value_of_a_step_is_what_came_after_it() -> None:
    stored: list[Example] = []
    memory = MemoryOptimizer(stored.append, above=-10.0)
    memory.aggregate([RUN])
    memory.step()
    assert [one.value for one in stored] == [0.0, -1.0, -3.0]


def test_the_store_may_be_async_and_a_failed_store_loses_nothing() -> None:
    stored: list[Example] = []

    async def store(example: Example) -> None:
        await asyncio.sleep(0)
        if example.query == "saw 1" and not failed:
            failed.append(True)
            raise OSError("disk full")
        stored.append(example)

    failed: list[bool] = []
    memory = MemoryOptimizer(store, discount=0.0)
    memory.aggregate([RUN])
    with pytest.raises(OSError, match="disk full"):
        asyncio.run(memory.update())
    asyncio.run(memory.update())
    assert [one.query for one in stored] == ["saw 0", "saw 1"]


def test_a_discount_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="discount must be from 0 to 1, got 2"):
        MemoryOptimizer(print, discount=2)
