"""Replay buffers."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from textgrad_agents.errors import ConfigError
from training.buffers import (
    CircularReplayBuffer,
    PrioritizedReplayBuffer,
    RandomizedReplayBuffer,
    ReplayBuffer,
    ReplayBufferConfig,
    SampleError,
)


def filled(buffer: ReplayBuffer, number: int) -> ReplayBuffer:
    buffer += [{"t": t, "reward": float(t)} for t in range(number)]
    return buffer


def test_batches_hold_the_values_of_each_key() -> None:
    buffer = filled(ReplayBuffer(), 5)
    found = [*buffer.batched_iter(2, shuffle=False)]
    assert found == [
        {"t": [0, 1], "reward": [0.0, 1.0]},
        {"t": [2, 3], "reward": [2.0, 3.0]},
        {"t": [4], "reward": [4.0]},
    ]
    assert sorted(t for batch in buffer.batched_iter(2) for t in batch["t"]) == [0, 1, 2, 3, 4]
    endless = buffer.batched_iter(5, infinite=True)
    assert all(sorted(next(endless)["t"]) == [0, 1, 2, 3, 4] for _ in range(3))
    assert [*ReplayBuffer().batched_iter(2, infinite=True)] == []


def test_the_order_is_that_of_the_seed() -> None:
    orders = [[*filled(ReplayBuffer(seed), 20).batched_iter(20)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_a_circular_buffer_forgets_the_oldest() -> None:
    buffer = filled(CircularReplayBuffer(), 5)
    buffer.resize(3)
    assert [sample["t"] for sample in buffer] == [2, 3, 4]
    buffer.resize(9)
    assert len(buffer) == 3
    buffer.append({})
    with pytest.raises(SampleError, match="inconsistent keys"):
        next(buffer.batched_iter(4))
    buffer.clear()
    assert not buffer


def test_a_randomized_buffer_forgets_at_random() -> None:
    buffer = filled(RandomizedReplayBuffer(seed=3), 100)
    buffer.resize(10)
    assert len({sample["t"] for sample in buffer}) == 10
    assert [sample["t"] for sample in buffer] != [*range(10)]


async def always_one(*args: Any, **kwargs: Any) -> float:
    return 1.0


def prioritized(ranked: bool, returns: list[float], size: int, **settings: Any) -> PrioritizedReplayBuffer:
    buffer = PrioritizedReplayBuffer(1.0, ranked, always_one, **settings)
    buffer += [
        {"input_args": (), "input_kwargs": {}, "discounted_return": value, "t": t} for t, value in enumerate(returns)
    ]
    buffer.resize(size)
    return buffer


def test_what_was_misjudged_most_is_drawn() -> None:
    buffer = prioritized(False, [1.0, -1.0] * 3, 3)
    with pytest.raises(SampleError, match="TD errors not available"):
        next(buffer.batched_iter(3))
    asyncio.run(buffer.prepare_for_sampling())
    assert all(t % 2 for t in next(buffer.batched_iter(3))["t"])


@pytest.mark.parametrize("ranked", [True, False])
def test_larger_errors_are_drawn_more_often(ranked: bool) -> None:
    drawn: Counter[int] = Counter()
    buffer = prioritized(ranked, [2.0, 3.0, 5.0, 9.0], 1, seed=0)
    asyncio.run(buffer.prepare_for_sampling())
    for _ in range(2_000):
        drawn.update(next(buffer.batched_iter(1))["t"])
    weights = [1 / 4, 1 / 3, 1 / 2, 1.0] if ranked else [1.0, 2.0, 4.0, 8.0]
    for t, weight in enumerate(weights):
        assert drawn[t] / 2_000 == pytest.approx(weight / sum(weights), abs=0.05)


def test_buffers_can_be_sampled_together() -> None:
    together = ReplayBuffer.sample_from(filled(ReplayBuffer(), 2), filled(CircularReplayBuffer(), 3), batch_size=5)
    assert sorted(next(together)["t"]) == [0, 0, 1, 1, 2]
    with pytest.raises(ConfigError, match="draws its samples by itself"):
        ReplayBuffer.sample_from(prioritized(True, [1.0], 1), batch_size=1)


def test_buffers_are_made_from_config_entries() -> None:
    assert isinstance(ReplayBufferConfig().make_buffer(), CircularReplayBuffer)
    config = ReplayBufferConfig(buf_type="prioritized", kwargs={"alpha": 0.5, "ranked": True})  # type: ignore[arg-type]
    buffer = config.make_buffer(q_function=always_one)
    assert isinstance(buffer, PrioritizedReplayBuffer)
    with pytest.raises(ConfigError, match="cannot be made"):
        config.make_buffer()
    with pytest.raises(ConfigError, match="batch_size"):
        ReplayBuffer().batched_iter(0)
