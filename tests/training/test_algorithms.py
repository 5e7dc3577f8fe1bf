"""Consensus and pass at k."""

from __future__ import annotations

import asyncio
import itertools
import operator
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError
from training.algorithms import (
    bulk_evaluate_consensus,
    compute_pass_at_k,
    evaluate_consensus,
    measure_consensus_proportion,
)

DATA = [("q1", answer) for answer in ("42", "11", "42", "-84", "42")] + [("q2", one) for one in ("a", "b", "b")]


async def second(datum: tuple[str, str]) -> str:
    return datum[1]


def test_the_answer_given_most_often_wins() -> None:
    told: list[tuple[str, int, int]] = []
    consensus, winner = asyncio.run(
        evaluate_consensus(DATA[:5], second, consensus_callback=lambda *facts: told.append(facts))
    )
    assert (consensus[0], winner) == (("42", 3), "42")
    assert told == [("42", 3, 5)]


def test_groups_and_their_accuracy() -> None:
    ideal = {"q1": "42", "q2": "a"}
    groups, share = asyncio.run(
        bulk_evaluate_consensus(
            DATA, operator.itemgetter(0), operator.itemgetter(1), ideal_answer_fn=lambda one: ideal[one[0]]
        )
    )
    assert {key: found[0] for key, found in groups.items()} == {"q1": ("42", 3), "q2": ("b", 2)}
    assert share == 0.5
    assert asyncio.run(bulk_evaluate_consensus(DATA, operator.itemgetter(0), second))[1] == 0.0
    assert asyncio.run(bulk_evaluate_consensus([], operator.itemgetter(0), second)) == ({}, 0.0)


@pytest.mark.parametrize("make", [lambda: 7, lambda: random.Random(7), lambda: np.random.default_rng(7)])
def test_the_same_seed_draws_the_same_samples(make) -> None:
    data = [*range(50)]
    first, again = (asyncio.run(evaluate_consensus(data, lambda x: x, 5, make()))[0] for _ in range(2))
    assert first == again
    assert len(first) == 5


def test_more_samples_than_data_are_refused() -> None:
    with pytest.raises(ConfigError, match="sampling with replacement"):
        asyncio.run(evaluate_consensus([1, 2], lambda x: x, 3))
    with pytest.raises(ConfigError, match="from 0 data"):
        asyncio.run(evaluate_consensus([], lambda x: x))


def test_shares_have_the_error_of_a_binomial() -> None:
    assert measure_consensus_proportion(3, 5) == (0.6, pytest.approx(0.2190890))
    with pytest.raises(ConfigError, match="no share"):
        measure_consensus_proportion(1, 0)


@given(st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(numbers: tuple[int, int, int]) -> None:
    n, c, k = numbers
    draws = [*itertools.combinations([True] * c + [False] * (n - c), k)]
    assert compute_pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_of_numbers_that_do_not_fit() -> None:
    with pytest.raises(ConfigError, match="0 <= c <= n"):
        compute_pass_at_k(3, 4, 1)
