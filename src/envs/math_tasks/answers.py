r"""Answers to open questions: how a reply is read, and whether an answer is right.

An answer stands behind the last ``#`` marks of a reply (``#### 42``) or in its last ``\boxed{…}``, or is all of the
reply. Two answers are the same if they are the same number, or the same text but for spaces and the ways that LaTeX has
to write one thing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from envs.base import ActionSpace, ParsedAction
from envs.numbers import read_number, same_number

NO_ANSWER: Final = "no_answer"
LONGEST: Final = 200
"""Characters of the longest answer that is read."""

_MARKED = re.compile(r"#+[ \t]*([^#\n]*[^#\s][^#\n]*)\s*\Z")
_BOX = r"\boxed{"
_NOISE = re.compile(r"\\left|\\right|\\!|\\,|\\;|\\ |\\\$|\$|\s|\\text\{\s*\}")
_CHOICES: Mapping[str, str] = MappingProxyType({NO_ANSWER: ""})
_UNREADABLE = ParsedAction("", NO_ANSWER, parsed=False)


class OpenAnswer(ActionSpace):
    """Any answer in words or numbers."""

    @property
    def choices(self) -> Mapping[str, str]:
        """The one answer that has a name: none."""
        return _CHOICES

    def describe(self) -> str:
        """The answer format for a prompt."""
        return (
            "Work the problem out. Then write the answer alone behind #### on the last line (#### 42), without units, "
            f"or {NO_ANSWER} if there is none."
        )

    def parse(self, reply: str) -> ParsedAction:
        """Read a reply; without an answer it is `NO_ANSWER` with `parsed` False."""
        answer = _in_json(reply)
        if answer is None:
            answer = _behind_marks(reply) or _in_a_box(reply) or _alone(reply)
        if answer is None or len(answer) > LONGEST:
            return _UNREADABLE
        if answer in ("", NO_ANSWER):
            return ParsedAction("", NO_ANSWER)
        return ParsedAction(answer, answer[:60])


def same_answer(answer: str, right: str, *, rel_tol: float = 0.0) -> bool:
    """Whether an answer is right.

    Args:
        answer: what was answered.
        right: the right answer.
        rel_tol: how far off a number may be, as a part of the right one.
    """
    number, wanted = read_number(_plain(answer)), read_number(_plain(right))
    if number is not None and wanted is not None:
        return same_number(number, wanted, rel_tol)
    return bool(answer.strip()) and _normal(answer) == _normal(right)


def boxed(text: str) -> str | None:
    r"""What stands in the last ``\boxed{…}`` of a text, None if there is none that ends."""
    start = text.rfind(_BOX)
    if start < 0:
        return None
    depth = 1
    for place in range(start + len(_BOX), len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + len(_BOX) : place].strip()
    return None


def _behind_marks(reply: str) -> str | None:
    found = _MARKED.search(reply[-4 * LONGEST :])
    return None if found is None else found[1].strip().rstrip(".").rstrip()


def _in_a_box(reply: str) -> str | None:
    return boxed(reply) or None


def _alone(reply: str) -> str | None:
    written = reply.strip().rstrip(".")
    return written if written == NO_ANSWER or read_number(_plain(written)) is not None else None


def _in_json(reply: str) -> str | None:
    if not reply.lstrip().startswith("{"):
        return None
    try:
        value: Any = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    answer: Any = value.get("action", value.get("answer"))
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        return None
    return str(answer).strip()


def _plain(text: str) -> str:
    """A number without the currency, percent and LaTeX that may stand around it."""
    return text.strip().strip("$%").replace("\\$", "").replace("\\%", "").replace("{,}", "").strip()


def _normal(text: str) -> str:
    text = _NOISE.sub("", text).replace("dfrac", "frac").replace("tfrac", "frac")
    return text.rstrip(".").casefold()
