"""Reading an optimizer model's reply: the new value, or a typed error that says what was wrong.

A value is taken only if the reply is complete and says unmistakably where the value begins and ends. Nothing cut off,
empty, quoted from the request, or written between somebody else's tags is ever taken for one.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from textgrad_agents.errors import ProposalError
from textgrad_agents.messages import Completion

RESPONSE_SCHEMA = {
    "type": "object",
    "properties": {"improved_variable": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["improved_variable", "reason"],
    "additionalProperties": False,
}

_ANY_TAG = re.compile(r"</?NEW_[0-9a-f]{8}>")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FINISH = {
    "length": "the reply was cut off at the token limit; write a shorter one",
    "content_filter": "the reply was cut off by a content filter",
    "refusal": "the reply was a refusal",
    "tool_calls": "the reply called a tool; answer with text",
}


def tags(nonce: str) -> tuple[str, str]:
    """Opening and closing tag of a nonce."""
    return f"<NEW_{nonce}>", f"</NEW_{nonce}>"


def read_tagged(completion: Completion, nonce: str) -> str:
    """The text between the tags of `nonce`.

    Each tag must occur exactly once, the first at the beginning of a line and the second at the end of one.

    Raises:
        ProposalError: the reply holds no usable value; the message says why.
    """
    return read_between(completion, *tags(nonce), own_lines=True)


def read_between(completion: Completion, opening: str, closing: str, *, own_lines: bool) -> str:
    """The text between two tags, each of which must occur exactly once.

    Args:
        completion: the reply.
        opening: the first tag.
        closing: the second tag.
        own_lines: the first must also begin a line and the second end one.

    Raises:
        ProposalError: the reply holds no usable value; the message says why.
    """
    text = _complete(completion)
    for tag, which in ((opening, "opening"), (closing, "closing")):
        count = text.count(tag)
        if count != 1:
            raise ProposalError(f"the {which} tag must occur exactly once, it occurs {count} times")
    before, _, rest = text.partition(opening)
    value, found, after = rest.partition(closing)
    if not found:
        raise ProposalError("the closing tag comes before the opening tag")
    if own_lines and (before.rpartition("\n")[2].strip() or after.partition("\n")[0].strip()):
        raise ProposalError("the opening tag must begin a line and the closing tag must end one")
    return _usable(value)


def read_structured(completion: Completion) -> str:
    """The field ``improved_variable`` of a JSON reply.

    Raises:
        ProposalError: the reply holds no usable value; the message says why.
    """
    text = _complete(completion)
    try:
        reply = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ProposalError(f"the reply is not one JSON object: {error}") from None
    value = cast("dict[str, Any]", reply).get("improved_variable") if isinstance(reply, dict) else None
    if not isinstance(value, str):
        raise ProposalError('the reply must be a JSON object whose field "improved_variable" is a text')
    return _usable(value)


def _complete(completion: Completion) -> str:
    if completion.finish != "stop":
        raise ProposalError(_FINISH[completion.finish])
    return completion.text.replace("\r\n", "\n")


def _usable(value: str) -> str:
    value = value.strip()
    if not value:
        raise ProposalError("the new value is empty")
    if tag := _ANY_TAG.search(value):
        raise ProposalError(f"the new value contains the tag {tag.group()}, which belongs to no value")
    if half := _SURROGATE.search(value):
        raise ProposalError(f"the new value contains U+{ord(half.group()):04X}, half a character")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field is given twice")
    return fields
