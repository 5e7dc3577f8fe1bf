"""No row older than the bound is trained, by weights or by prompts, and the counts add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError
from training.numeric import Row, fresh


def row(version: int = 0, prompt: str = "p0", agent: str = "a") -> Row:
    nothing = np.zeros(1, np.int32)
    return Row(
        nothing,
        nothing,
        np.zeros(1, np.float32),
        np.ones(1, np.bool_),
        0.0,
        agent=agent,
        adapter_version=version,
        prompt_version=prompt,
    )


@given(
    ages=st.lists(st.tuples(st.integers(0, 9), st.integers(-1, 9)), max_size=20),
    now=st.integers(0, 9),
    bound=st.integers(0, 9),
)
def test_nothing_older_than_the_bound_is_kept_and_counts_add_up(
    ages: list[tuple[int, int]], now: int, bound: int
) -> None:
    prompts = [f"p{i}" for i in range(10)]
    rows = [row(version, f"p{prompt}") for version, prompt in ages]
    found = fresh(rows, adapter_versions={"a": now}, prompt_versions={"a": prompts}, max_staleness=bound)
    expected = [
        one for one, (v, p) in zip(rows, ages, strict=True) if 0 <= now - v <= bound and p >= 0 and 9 - p <= bound
    ]
    assert list(found.rows) == expected
    assert len(found.rows) + found.dropped == len(rows)
    assert found.unknown == sum(v > now or p < 0 for v, p in ages)


def test_weights_and_prompts_are_counted_apart() -> None:
    rows = [row(5, "new"), row(0, "new"), row(5, "old"), row(0, "old"), row(9, "new"), row(5, "never")]
    found = fresh(rows, adapter_versions={"a": 5}, prompt_versions={"a": ["old", "new"]}, max_staleness=0)
    assert found.rows == (rows[0],)
    assert (found.old_weights, found.old_prompts, found.unknown) == (2, 1, 2)


def test_a_prompt_that_came_back_is_new_and_agents_without_a_list_have_no_bound() -> None:
    rows = [row(prompt="p0"), row(prompt="any", agent="b")]
    versions = {"a": 0, "b": 0}
    found = fresh(rows, adapter_versions=versions, prompt_versions={"a": ["p0", "p1", "p0"]}, max_staleness=0)
    assert found.rows == tuple(rows)


def test_a_consumer_that_lags_behind_its_producer_goes_on_and_counts() -> None:
    """A producer tags rows with its version; the consumer is slower, then faster."""
    queue: list[Row] = []
    trained = dropped = 0
    for now in range(30):
        queue += [row(now)] * (3 if now < 15 else 0)
        batch, queue = queue[:2], queue[2:]
        found = fresh(batch, adapter_versions={"a": now}, max_staleness=4)
        assert all(now - one.adapter_version <= 4 for one in found.rows)
        trained += len(found.rows)
        dropped += found.dropped
    assert trained + dropped + len(queue) == 45
    assert dropped > 0 < trained


def test_bad_input() -> None:
    with pytest.raises(ConfigError, match="rows of a, whose adapter has no version"):
        fresh([row()], adapter_versions={})
    with pytest.raises(ConfigError, match="0 or more, not -1"):
        fresh([], adapter_versions={}, max_staleness=-1)
