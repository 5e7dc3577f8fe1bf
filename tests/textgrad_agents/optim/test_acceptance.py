from __future__ import annotations

import itertools
import math
import pickle
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError
from textgrad_agents.optim.acceptance import BET, SequentialTest

differences = st.lists(st.floats(-1e6, 1e6).map(lambda score: round(score, 6)), max_size=14)


def decide(draw: Callable[[random.Random, int], float], rng: random.Random) -> SequentialTest:
    test = SequentialTest()
    for i in range(test.max_pairs):
        test.add(draw(rng, i))
        if test.decision != "undecided":
            break
    return test


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8))
def test_under_the_null_the_mean_over_all_signs_is_exactly_one(sizes: list[float]) -> None:
    values: list[float] = []
    for signs in itertools.product((-1, 1), repeat=len(sizes)):
        test = SequentialTest(differences=[sign * size for sign, size in zip(signs, sizes, strict=True)])
        values.append(test.e_value)
    assert math.fsum(values) / len(values) == pytest.approx(1.0)


NULLS: dict[str, Callable[[random.Random, int], float]] = {
    "normal": lambda rng, i: rng.gauss(0, 1),
    "heavy tails": lambda rng, i: math.tan(math.pi * (rng.random() - 0.5)),
    "wins and losses": lambda rng, i: rng.choice((-1.0, 1.0)),
    "mostly ties": lambda rng, i: rng.choice((-1.0, 0.0, 0.0, 1.0)),
    "growing": lambda rng, i: rng.gauss(0, 2.0**i),
    "worse": lambda rng, i: rng.gauss(-0.3, 1),
    "fewer but larger wins": lambda rng, i: rng.expovariate(1.0) - 1,
}


@pytest.mark.parametrize("null", NULLS)
def test_a_candidate_that_is_not_better_is_accepted_at_most_as_often_as_declared(null: str) -> None:
    rng, runs = random.Random(1), 3000
    accepted = sum(decide(NULLS[null], rng).decision == "accept" for _ in range(runs))
    assert accepted / runs <= 0.05


@pytest.mark.parametrize(("gain", "least"), [(1.0, 0.6), (1.5, 0.88), (3.0, 0.99)])
def test_a_better_candidate_is_usually_accepted(gain: float, least: float) -> None:
    rng, runs = random.Random(2), 1000
    tests = [decide(lambda rng, _i: rng.gauss(gain, 1), rng) for _ in range(runs)]
    assert sum(test.decision == "accept" for test in tests) / runs >= least


def test_five_clear_wins_are_enough_and_four_are_not() -> None:
    assert SequentialTest(differences=[10, 9, 10, 9]).decision == "undecided"
    assert SequentialTest(differences=[10, 9, 10, 9, 10]).decision == "accept"
    assert SequentialTest(differences=[3.0] * 5).e_value == pytest.approx((1 + math.tanh(BET)) ** 5)


def test_gives_up_when_it_is_worse() -> None:
    assert SequentialTest(differences=[-1] * 5, max_pairs=100).decision == "reject"


@given(differences, st.integers(1, 14))
def test_gives_up_early_exactly_when_winning_every_pair_left_would_not_do(seen: list[float], max_pairs: int) -> None:
    test = SequentialTest(max_pairs=max_pairs, differences=seen)
    left = max_pairs - len(seen)
    if test.decision != "undecided" or left <= 0:
        return
    largest = max((abs(one) for one in seen), default=0.0) or 1.0
    assert SequentialTest(max_pairs=max_pairs, differences=[*seen, *[largest] * left]).decision == "accept"


@given(differences, st.floats(1e-3, 1e3))
def test_the_unit_of_the_score_does_not_matter(seen: list[float], unit: float) -> None:
    scaled = SequentialTest(differences=[unit * one for one in seen]).e_value
    assert scaled == pytest.approx(SequentialTest(differences=seen).e_value, rel=1e-6)


def test_pairs_that_tie_are_no_evidence() -> None:
    test = SequentialTest(differences=[0.0] * 6)
    assert test.e_value == 1.0
    assert test.decision == "undecided"
    assert SequentialTest(differences=[0.0] * 8).decision == "reject"


def test_out_of_pairs_without_evidence_is_undecided() -> None:
    assert SequentialTest(max_pairs=4, differences=[1, 1, 1, 0.2]).decision == "undecided"


@given(differences)
def test_a_test_goes_on_from_its_differences(seen: list[float]) -> None:
    half = len(seen) // 2
    resumed = SequentialTest(differences=SequentialTest(differences=seen[:half]).differences)
    for one in seen[half:]:
        resumed.add(one)
    whole = SequentialTest(differences=seen)
    assert (resumed.differences, resumed.e_value, resumed.decision) == (tuple(seen), whole.e_value, whole.decision)
    assert pickle.loads(pickle.dumps(whole)).e_value == whole.e_value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0.0}, "alpha must be between 0 and 1, not 0.0"),
        ({"alpha": 1.0}, "alpha must be between 0 and 1, not 1.0"),
        ({"max_pairs": 0}, "max_pairs must be 1 or more, not 0"),
        ({"differences": [math.nan]}, "must be a finite number, not nan"),
    ],
)
def test_unusable_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SequentialTest(**arguments)  # type: ignore[arg-type]
