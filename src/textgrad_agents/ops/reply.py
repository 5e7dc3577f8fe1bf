"""Reading what a model wrote between tags, or as one JSON object: a value, or the reason why there is none.

Nothing is guessed. What is cut off, empty, written twice or not well-formed has no value, and no text is ever taken
from another place than the one that was asked for.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, cast

from textgrad_agents.messages import Completion


class Problem(StrEnum):
    """Why a reply has no value."""

    EMPTY = "the reply is empty"
    CUT = "the reply was cut off before its end"
    REFUSED = "the reply is a refusal"
    NO_TAG = "the tags around the answer are missing"
    UNCLOSED = "the closing tag is missing"
    TWICE = "a tag occurs more than once"
    NOT_JSON = "what is between the tags is not JSON"
    NOT_AN_OBJECT = "the JSON is not an object"
    NAMED_TWICE = "the JSON object has a name twice"
    NOTHING_KNOWN = "none of the names asked for is among those in the reply"


class ReplyProblem(Exception):
    """The reply has no value; caught where it is read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.value)
        self.problem = problem


def complete_text(completion: Completion) -> str:
    """The text of a reply that came to its end.

    Raises:
        ReplyProblem: it did not, or is empty.
    """
    if completion.finish == "length":
        raise ReplyProblem(Problem.CUT)
    if completion.finish in ("content_filter", "refusal"):
        raise ReplyProblem(Problem.REFUSED)
    text = completion.text.strip()
    if not text:
        raise ReplyProblem(Problem.EMPTY)
    return text


def between(text: str, opening: str, closing: str) -> str:
    """The text between two tags, each of which must occur exactly once.

    Raises:
        ReplyProblem: they do not.
    """
    if text.count(opening) > 1 or text.count(closing) > 1:
        raise ReplyProblem(Problem.TWICE)
    if opening not in text:
        raise ReplyProblem(Problem.NO_TAG)
    inner, found, _ = text.partition(opening)[2].partition(closing)
    if not found:
        raise ReplyProblem(Problem.UNCLOSED)
    return inner.strip()


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that a text is, possibly in a fence.

    Raises:
        ReplyProblem: it is none.
    """
    lines = text.strip().splitlines()
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1] == "```":
        text = "\n".join(lines[1:-1])
    try:
        value = json.loads(text, object_pairs_hook=_no_name_twice, strict=False)  # line breaks may stand in texts
    except (ValueError, RecursionError):
        raise ReplyProblem(Problem.NOT_JSON) from None
    if not isinstance(value, dict):
        raise ReplyProblem(Problem.NOT_AN_OBJECT)
    return cast("dict[str, Any]", value)


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ReplyProblem(Problem.NAMED_TWICE)
    return dict(pairs)
