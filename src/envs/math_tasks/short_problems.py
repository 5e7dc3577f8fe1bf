"""Problems of one line for models that read characters: three families, each answer a whole number behind a ``#``.

=========  =========================================================  ============
family     example                                                    answer
=========  =========================================================  ============
shop       tom has 12 pens and buys 7 more. total?                    ``#19``
reverse    tom reads 472. backwards?                                  ``#274``
count      tom has 12 pens. how many?                                 ``#12``
=========  =========================================================  ============

A problem belongs to the split that its text gives it, as in `envs.math_tasks.generated`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from envs.math_tasks.generated import GeneratedSplit, split_of
from envs.math_tasks.problems import Problem
from textgrad_agents.errors import ConfigError
from textgrad_agents.seeds import derive_seed

Family = Literal["shop", "reverse", "count"]

_NAMES = ("ana", "ben", "eva", "ida", "jim", "kim", "leo", "max", "mia", "sam", "tim", "tom")
_THINGS = ("bags", "cups", "figs", "hats", "keys", "mugs", "nuts", "pens", "pins", "toys")
_FIRST, _LAST = 2, 12
_TRIES = 5000  # in a row without a new problem, before a split counts as exhausted
_MARKED = re.compile(r".*#(-?[0-9]{1,6})\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ShortProblem(Problem):
    """A problem of one line.

    Attributes:
        family: its kind.
        working: the steps to the answer, as one would write them down; empty where there are none.
        noun: what the answer counts, "" if nothing.
        given: the first number of the problem.
    """

    family: Family
    working: str
    noun: str
    given: int


def make_short_problem(family: Family, chance: random.Random) -> ShortProblem:
    """A problem of a family."""
    return _MAKERS[family](chance)


def short_problems(
    family: Family | Literal["mixed"] = "shop",
    split: GeneratedSplit = "train",
    size: int = 500,
    seed: int = 0,
    *,
    at_most: bool = False,
) -> tuple[ShortProblem, ...]:
    """Problems of one split; no two of them are the same.

    Args:
        family: their kind; "mixed" goes through the families in turn.
        split: train, eval or test; no problem is in two of them.
        size: how many.
        seed: the same seed gives the same problems.
        at_most: be content with those that there are, if the split has not so many.

    Raises:
        ConfigError: there is no such family, or the split has not so many.
    """
    if family not in (*FAMILIES, "mixed"):
        raise ConfigError(f"a family of short problems is {', '.join(FAMILIES)} or mixed, not {family!r}")
    families = FAMILIES if family == "mixed" else (family,)
    chance = random.Random(derive_seed("short problems", family, split, seed))
    found: dict[str, ShortProblem] = {}
    vain = 0
    while len(found) < size:
        if vain > _TRIES:
            if at_most and found:
                break
            raise ConfigError(f"the {split} split of {family} has fewer than {size} problems; ask for fewer")
        problem = make_short_problem(families[len(found) % len(families)], chance)
        is_new = split_of(problem) == split and problem.text not in found
        vain = 0 if is_new else vain + 1
        if is_new:
            found[problem.text] = problem
    return tuple(found.values())


def read_marked_answer(reply: str) -> Fraction | None:
    """The whole number that stands behind the last ``#`` and ends `reply`; None if there is none."""
    marked = _MARKED.fullmatch(reply)
    return None if marked is None else Fraction(int(marked[1]))


def _shop(chance: random.Random) -> ShortProblem:
    who, thing = chance.choice(_NAMES), chance.choice(_THINGS)
    kind = chance.choice((0, 1, 2, 2))
    first, second = chance.randint(_FIRST, _LAST), chance.randint(_FIRST, _LAST)
    if kind == 0:
        text, total = f"{who} has {first} {thing} and buys {second} more. total?", first + second
        working = f"{first}+{second}={total}"
    elif kind == 1:
        first, second = max(first, second) + 1, min(first, second)
        text, total = f"{who} has {first} {thing} and sells {second}. left?", first - second
        working = f"{first}-{second}={total}"
    else:
        between, third = first + second, chance.randint(_FIRST, min(_LAST, first + second))
        text, total = f"{who} has {first} {thing}, buys {second}, sells {third}. left?", between - third
        working = f"{first}+{second}={between}; {between}-{third}={total}"
    return ShortProblem(text, Fraction(total), "shop", working, thing, first)


def _reverse(chance: random.Random) -> ShortProblem:
    digits = chance.sample("123456789", 3)
    number, answer = "".join(digits), "".join(reversed(digits))
    text = f"{chance.choice(_NAMES)} reads {number}. backwards?"
    return ShortProblem(text, Fraction(int(answer)), "reverse", ",".join(answer), "", int(number))


def _count(chance: random.Random) -> ShortProblem:
    number, thing = chance.randint(_FIRST, 99), chance.choice(_THINGS)
    text = f"{chance.choice(_NAMES)} has {number} {thing}. how many?"
    return ShortProblem(text, Fraction(number), "count", "", thing, number)


_MAKERS: Mapping[Family, Callable[[random.Random], ShortProblem]] = {
    "shop": _shop,
    "reverse": _reverse,
    "count": _count,
}
FAMILIES: tuple[Family, ...] = tuple(_MAKERS)
"""The families, in the order in which "mixed" takes them."""
