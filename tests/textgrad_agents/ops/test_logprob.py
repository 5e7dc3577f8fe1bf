"""Log-probabilities at other temperatures, against exact sums over a small language."""

from __future__ import annotations

import math
import random

import pytest

from textgrad_agents.ops import logprob_at_temperature


def test_at_zero_there_is_no_choice_and_at_one_nothing_changes() -> None:
    assert logprob_at_temperature(-3.0, 0) == 0.0
    assert logprob_at_temperature(None, 0) == 0.0
    assert logprob_at_temperature(-3.0, 1) == -3.0
    assert logprob_at_temperature(None, 1) is None


def test_unknown_without_a_sample_or_a_value() -> None:
    assert logprob_at_temperature(-3.0, 0.5) is None
    assert logprob_at_temperature(None, 0.5, [-1.0]) is None


@pytest.mark.parametrize("temperature", [0.3, 0.7, 2.0])
def test_the_estimate_comes_near_the_exact_value(temperature: float) -> None:
    probabilities = [0.5, 0.25, 0.15, 0.1]
    z = sum(p ** (1 / temperature) for p in probabilities)
    drawn = random.Random(0).choices([math.log(p) for p in probabilities], probabilities, k=20_000)
    for p in probabilities:
        exact = math.log(p ** (1 / temperature) / z)
        assert logprob_at_temperature(math.log(p), temperature, drawn) == pytest.approx(exact, abs=0.05)


def test_very_unlikely_texts_do_not_overflow() -> None:
    assert logprob_at_temperature(-5000.0, 0.1, [-5000.0, -5001.0]) == pytest.approx(
        -50_000 - (-45_000 - math.log(2) + math.log1p(math.exp(-9)))
    )
