"""Action spaces: how actions are offered in a prompt and how a reply is read.

A reply is read by two rules, in this order; what neither can read is the neutral action, marked as not parsed:

1. a JSON object with the key ``action`` (the whole reply, a fenced block, or a flat object inside the text);
2. the first line that is not empty holds nothing but the action: its number, its name, or ``2 = push_up``.

Numbers and names inside sentences are never taken for an answer ("the ball is 1 px left" is not action 1).
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from envs.base import ActionSpace, ParsedAction

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,15})?|\.[0-9]{1,15})")
_PAIR = re.compile(r"(\S+?)\s*[=:]\s*(\S.*)")
_FLAT_OBJECT = re.compile(r"\{[^{}]*\}")
_DECORATION = "*_`\"' \t"
_END_MARKS = ".,;:!"


class _NamedActions(ActionSpace):
    """What the action spaces share: named actions with meanings, and the two reading rules.

    Args:
        choices: name -> value, in the order they are offered.
        meanings: name -> what the action does.
        neutral: name of the action that an unreadable reply stands for.
        instruction: the sentence above the list of actions.
        letters: name -> what is offered in place of the value; names and values are read as well.
    """

    def __init__(
        self,
        choices: Mapping[str, int | float],
        meanings: Mapping[str, str],
        *,
        neutral: str,
        instruction: str,
        letters: Mapping[str, str] | None = None,
    ) -> None:
        self._choices = MappingProxyType(dict(choices))
        self._unreadable = ParsedAction(self._choices[neutral], neutral, parsed=False)
        self._exact = {name: ParsedAction(value, name) for name, value in choices.items()}
        self._exact.update({f"{value:g}": ParsedAction(value, name) for name, value in choices.items()})
        offered = letters or {name: f"{value:g}" for name, value in choices.items()}
        self._exact.update({offered[name]: ParsedAction(value, name) for name, value in choices.items()})
        lines = [f"- {offered[name]} = {name}: {meanings[name]}" for name in choices]
        self._description = "\n".join([instruction, *lines])

    @property
    def choices(self) -> Mapping[str, int | float]:
        """Named actions and their values, in the order they are offered."""
        return self._choices

    def describe(self) -> str:
        """The answer format for a prompt, one named action per line."""
        return self._description

    def parse(self, reply: str) -> ParsedAction:
        """Read a reply; an unreadable one gives the neutral action with `parsed` False."""
        return self._exact.get(reply) or self._read_json(reply) or self._read_first_line(reply) or self._unreadable

    @abstractmethod
    def _of_number(self, number: float) -> ParsedAction | None:
        """The action of a number, None if it is not legal."""

    def _of_word(self, word: str) -> ParsedAction | None:
        """The action that a number or name alone stands for."""
        word = word.strip(_DECORATION).rstrip(_END_MARKS).rstrip(_DECORATION)
        if _NUMBER.fullmatch(word):
            return self._of_number(float(word))
        return self._exact.get(re.sub(r"[\s-]+", "_", word.lower()))

    def _read_first_line(self, reply: str) -> ParsedAction | None:
        line = next((line for line in reply[:2000].splitlines() if line.strip()), "")
        if len(line) > 80:
            return None
        whole = self._of_word(line)
        if whole is not None:
            return whole
        pair = _PAIR.fullmatch(line.strip(_DECORATION))
        if pair is None:
            return None
        number, name = self._of_word(pair[1]), self._of_word(pair[2])
        return number if number is not None and name is not None and number.name == name.name else None

    def _read_json(self, reply: str) -> ParsedAction | None:
        if '"action"' not in reply:
            return None
        fenced = reply.split("```", 2)
        whole = _load(fenced[1].removeprefix("json") if len(fenced) == 3 else reply)
        if whole is not None:
            return self._of_object(whole)
        found = [self._of_object(_load(text)) for text in _FLAT_OBJECT.findall(reply) if '"action"' in text]
        return found[0] if found and all(action == found[0] for action in found) else None

    def _of_object(self, value: Any) -> ParsedAction | None:
        answer = cast("dict[str, Any]", value).get("action") if isinstance(value, dict) else None
        if isinstance(answer, str):
            return self._of_word(answer)
        if isinstance(answer, int | float) and not isinstance(answer, bool):
            return self._of_number(answer)
        return None


class DiscreteActions(_NamedActions):
    """A few named actions, each with a whole number.

    Args:
        choices: name -> number, in the order they are offered.
        meanings: name -> what the action does.
        neutral: name of the action that an unreadable reply stands for.
        letters: name -> letter by which it is offered, in place of its number.
    """

    def __init__(
        self,
        choices: Mapping[str, int],
        meanings: Mapping[str, str],
        *,
        neutral: str,
        letters: Mapping[str, str] | None = None,
    ) -> None:
        kind = "number" if letters is None else "letter"
        instruction = f"Answer with the {kind} of one action alone on the first line:"
        super().__init__(choices, meanings, neutral=neutral, instruction=instruction, letters=letters)
        self._by_number = {value: ParsedAction(value, name) for name, value in choices.items()}

    def _of_number(self, number: float) -> ParsedAction | None:
        return self._by_number.get(number)  # pyright: ignore[reportArgumentType] (2.0 finds 2)


class ContinuousActions(_NamedActions):
    """A number in an interval around 0, with names for its ends and its middle.

    Args:
        low: lowest value and its name.
        middle: the neutral value and its name.
        high: highest value and its name.
        meanings: name -> what the action does.
        threshold: a value is called by the name of an end when it is further than this from the middle.
    """

    def __init__(
        self,
        low: tuple[str, float],
        middle: tuple[str, float],
        high: tuple[str, float],
        meanings: Mapping[str, str],
        *,
        threshold: float,
    ) -> None:
        self._low, self._middle, self._high, self._threshold = low, middle, high, threshold
        instruction = f"Answer with a number from {low[1]:g} to {high[1]:g} alone on the first line, for example:"
        super().__init__(dict((low, middle, high)), meanings, neutral=middle[0], instruction=instruction)

    def name_of(self, value: float) -> str:
        """The name that a value goes by."""
        distance = value - self._middle[1]
        if abs(distance) <= self._threshold:
            return self._middle[0]
        return self._high[0] if distance > 0 else self._low[0]

    def _of_number(self, number: float) -> ParsedAction | None:
        if not self._low[1] <= number <= self._high[1]:
            return None
        return ParsedAction(float(number), self.name_of(number))


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
