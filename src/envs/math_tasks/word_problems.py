"""Word problems of five levels: somebody has some things, and then things happen to them.

The level is the number of events. From level 3 on things are multiplied, shared and lost in part; at level 5 the end is
told and the beginning asked for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from envs.math_tasks.problems import Problem

Event: TypeAlias = "Callable[[Story, int], tuple[str, int] | None]"

_NAMES = ("Ada", "Bela", "Chidi", "Dana", "Emre", "Fatima", "Goran", "Hana", "Ines", "Jonas", "Kofi", "Lina")
_THINGS = ("apples", "beads", "coins", "cookies", "marbles", "nuts", "pencils", "shells", "stamps", "stickers")
_SHARES = {2: "half", 3: "a third", 4: "a quarter"}
_MOST = 2000
_BACKWARDS = 5


class Story:
    """Who has what, and the source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.who, self.other = chance.sample(_NAMES, 2)
        self.things = chance.choice(_THINGS)


def make_word_problem(level: int, chance: random.Random) -> Problem:
    """A problem of a level, 1 to 5."""
    story = Story(chance)
    first = count = chance.randint(6, 60)
    sentences: list[str] = []
    events: Sequence[Event] = _EVENTS if level < 3 else (*_EVENTS, *_HARDER_EVENTS)
    while len(sentences) < level:
        happened = chance.choice(events)(story, count)
        if happened is not None and 1 <= happened[1] <= _MOST:
            sentences.append(happened[0])
            count = happened[1]
    told = " ".join(sentences)
    who, things = story.who, story.things
    if level < _BACKWARDS:
        return Problem(f"{who} has {first} {things}. {told} How many {things} does {who} have now?", Fraction(count))
    end = f"Now {who} has {count} {things}. How many {things} did {who} have at first?"
    return Problem(f"{who} has some {things}. {told} {end}", Fraction(first))


def _find(story: Story, count: int) -> tuple[str, int]:
    more = story.chance.randint(2, 40)
    return f"{story.who} finds {more} more.", count + more


def _give(story: Story, count: int) -> tuple[str, int] | None:
    if count < 4:
        return None
    fewer = story.chance.randint(2, min(count - 1, 40))
    return f"{story.who} gives {fewer} of them to {story.other}.", count - fewer


def _buy(story: Story, count: int) -> tuple[str, int]:
    bags, each = story.chance.randint(2, 9), story.chance.randint(3, 12)
    return f"{story.who} buys {bags} bags with {each} {story.things} in each.", count + bags * each


def _use(story: Story, count: int) -> tuple[str, int]:
    days, each = story.chance.randint(2, 6), story.chance.randint(2, 5)
    return f"On each of the next {days} days {story.who} uses up {each} of them.", count - days * each


def _match(story: Story, count: int) -> tuple[str, int]:
    times, word = story.chance.choice(((1, "as many"), (2, "twice as many"), (3, "three times as many")))
    return f"{story.other} then brings {word} {story.things} as {story.who} has, and leaves them all.", count * (
        1 + times
    )


def _lose_share(story: Story, count: int) -> tuple[str, int] | None:
    part = story.chance.choice([part for part in _SHARES if count % part == 0] or [0])
    return (f"{story.who} loses {_SHARES[part]} of them.", count - count // part) if part else None


def _keep_box(story: Story, count: int) -> tuple[str, int] | None:
    boxes = [boxes for boxes in range(3, 10) if count % boxes == 0 and count > boxes]
    if not boxes:
        return None
    chosen = story.chance.choice(boxes)
    return f"{story.who} puts them into {chosen} boxes, the same number into each, and keeps one box.", count // chosen


_EVENTS: tuple[Event, ...] = (_find, _give, _buy, _use)
_HARDER_EVENTS: tuple[Event, ...] = (_match, _lose_share, _keep_box)
