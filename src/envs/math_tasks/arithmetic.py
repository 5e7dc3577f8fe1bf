"""Arithmetic problems of five levels: an expression whose value is asked for.

======  ==================================================================
level   operations
======  ==================================================================
1       one sum or difference of numbers up to 100
2       two of them
3       two operations on numbers up to 20, products among them
4       three operations on small numbers; divisions come out even
5       five operations on small numbers; the value may be a fraction
======  ==================================================================
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from envs.math_tasks.problems import Problem

_NUMBER, _PRODUCT, _SUM = range(3)  # how loosely the parts of an expression hold together
_SOLVE: Mapping[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
}


@dataclass(frozen=True, slots=True)
class _Level:
    operations: int
    signs: str
    largest: int
    even: bool = True


_LEVELS: Mapping[int, _Level] = {
    1: _Level(1, "+-", 100),
    2: _Level(2, "+-", 100),
    3: _Level(2, "+-*", 20),
    4: _Level(3, "+-*/", 12),
    5: _Level(5, "+-*/", 12, even=False),
}


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    value: Fraction
    binding: int = _NUMBER

    def within(self, loosest: int) -> str:
        """The text, in parentheses if it holds together more loosely than its place allows."""
        return self.text if self.binding <= loosest else f"({self.text})"


def make_arithmetic(level: int, chance: random.Random) -> Problem:
    """A problem of a level, 1 to 5."""
    settings = _LEVELS[level]
    term = _term(settings.operations, settings, chance)
    hint = "" if settings.even else " If the value is no whole number, write it as a fraction, such as 3/4."
    return Problem(f"What is {term.text}?{hint}", term.value)


def _term(operations: int, settings: _Level, chance: random.Random) -> _Term:
    if operations == 0:
        return _number(chance.randint(1, settings.largest))
    before = chance.randrange(operations)
    left, right = (_term(count, settings, chance) for count in (before, operations - 1 - before))
    sign = chance.choice(settings.signs)
    if sign == "/" and settings.even:
        largest = min(settings.largest, int(1000 / right.value)) if right.value >= 1 else 0
        if before == 0 and largest:
            left = _number(int(right.value) * chance.randint(1, largest))
        else:
            sign = "+"
    if sign == "/" and right.value == 0:
        sign = "-"
    return _join(left, sign, right)


def _number(value: int) -> _Term:
    return _Term(str(value), Fraction(value))


def _join(left: _Term, sign: str, right: _Term) -> _Term:
    value = _SOLVE[sign](left.value, right.value)
    if sign in "*/":
        loosest = _PRODUCT if sign == "*" else _NUMBER
        return _Term(f"{left.within(_PRODUCT)} {sign} {right.within(loosest)}", value, _PRODUCT)
    return _Term(f"{left.text} {sign} {right.within(_SUM if sign == '+' else _PRODUCT)}", value, _SUM)
