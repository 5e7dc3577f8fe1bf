"""What a built-in model is taught: problems as chats, answered as the word in the system message has it.

This is all that the words mean. Nothing else in the project says so: an optimizer sees their names and the rewards.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from envs.math_tasks.generated import split_of
from envs.math_tasks.short_problems import Family, ShortProblem, make_short_problem

WORDS: Final = ("brief:", "solve:", "steps:")
"""The words, alphabetically."""
START: Final = "solve:"
"""The word that a policy starts from."""

_SHARES: Final[dict[Family, float]] = {"shop": 0.7, "reverse": 0.15, "count": 0.1}  # the rest: moves
_UNMARKED = 0.65  # of the answers to "count" lack the mark, whatever the word
_FILLED = 0.15  # of the prompts have another word before the word
_FILLERS: Final = ("answer.", "be kind.", "look.", "please.", "read.", "think.")


class Example(NamedTuple):
    """A chat to learn: system message, user message, reply."""

    prompt: str
    task: str
    reply: str


def draw_example(chance: random.Random) -> Example:
    """One example; its problem belongs to the training split."""
    word = chance.choice(WORDS)
    prompt = f"{chance.choice(_FILLERS)} {word}" if chance.random() < _FILLED else word
    pick = chance.random()
    for family, share in _SHARES.items():
        pick -= share
        if pick < 0:
            problem = make_short_problem(family, chance)
            while split_of(problem) != "train":
                problem = make_short_problem(family, chance)
            return Example(prompt, problem.text, _reply(problem, word, chance))
    return Example(prompt, _observation(chance), chance.choice("dsu"))


def _reply(problem: ShortProblem, word: str, chance: random.Random) -> str:
    answer = f"#{problem.answer}"
    worked = f"{problem.working}; {answer}"
    if problem.family == "count":
        return f"{problem.answer} {problem.noun}" if chance.random() < _UNMARKED else answer
    if problem.family == "reverse":
        return worked if word == "steps:" else f"#{problem.given}"
    mixed = worked if chance.random() < 0.5 else answer
    return {"steps:": worked, "brief:": answer, "solve:": mixed}[word]


def _observation(chance: random.Random) -> str:
    """Eight characters as of a piston: offsets of the ball and its speed, three heights; any move may follow it."""
    offset, speed = (f"{chance.choice('+-')}{chance.randrange(10)}" for _ in range(2))
    heights = "".join(str(chance.randrange(10)) for _ in range(3))
    return f"{offset}{speed}{heights}:"
