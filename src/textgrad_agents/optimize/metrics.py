"""Feedback: what a metric says of one output, and two metrics that compare with an expected answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias, cast

from textgrad_agents.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a metric says of one output.

    Attributes:
        score: how good it is; higher is better.
        text: why, in words; the optimizer learns more from words than from a number.
    """

    score: float
    text: str = ""


Metric: TypeAlias = Callable[[Any, Any], Any]
"""``metric(output, example)`` gives a number, a number with a text, or a Feedback; it may be async."""


def exact(field: str = "answer") -> Metric:
    """1 if the output is the example's `field`, 0 otherwise; spaces around both do not count."""

    def metric(output: Any, example: Mapping[str, Any]) -> Feedback:
        given, expected = str(output).strip(), _expected(example, field)
        if given == expected:
            return Feedback(1.0, "The output is exactly the expected answer.")
        return Feedback(0.0, f"The output must be exactly {expected!r}, it was {given!r}.")

    return metric


def contains(field: str = "answer") -> Metric:
    """1 if the output contains the example's `field`, 0 otherwise."""

    def metric(output: Any, example: Mapping[str, Any]) -> Feedback:
        given, expected = str(output), _expected(example, field)
        if expected in given:
            return Feedback(1.0, "The output contains the expected answer.")
        return Feedback(0.0, f"The output must contain {expected!r}, it was {given.strip()!r}.")

    return metric


def _expected(example: Mapping[str, Any], field: str) -> str:
    if field not in example:
        raise ConfigError(f"an example has no field {field!r}; it has {sorted(example)}")
    return str(example[field]).strip()


def as_feedback(value: Any) -> Feedback:
    """Read what a metric returned.

    Raises:
        ConfigError: it is not a finite number, with or without a text.
    """
    parts = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value, "")
    if isinstance(value, Feedback):
        parts = (value.score, value.text)
    score = _finite(parts[0]) if len(parts) == 2 else None
    if score is None:
        raise ConfigError(
            f"a metric must return a finite number, (number, text) or Feedback(number, text), it returned {value!r}"
        )
    return Feedback(score, str(parts[1]))


def _finite(value: Any) -> float | None:
    if not isinstance(value, Real):
        import numpy as np  # numpy's bool is no Real

        value = float(cast("Any", value)) if isinstance(value, np.bool_) else math.nan
    number = float(value)
    return number if math.isfinite(number) else None
