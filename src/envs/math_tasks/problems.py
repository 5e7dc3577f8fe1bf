"""A problem that was made up: what is asked, and the exact answer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is asked, and the exact answer."""

    text: str
    answer: Fraction
