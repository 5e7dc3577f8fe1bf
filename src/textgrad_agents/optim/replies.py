"""Reading an optimizer model's reply: the new value, or a typed error that says what was wrong.

A value is taken only if the reply is complete and says unmistakably where the value begins and ends. Nothing cut off,
empty, quoted from the request, or written between somebody else's tags is ever taken for one.
"""

from __future__ import annotations

import re

from textgrad_agents.errors import ProposalError
from textgrad_agents.messages import Completion
from textgrad_agents.ops.reply import ReplyProblem, between, complete_text, json_object

RESPONSE_SCHEMA = {
    "type": "object",
    "properties": {"improved_variable": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["improved_variable", "reason"],
    "additionalProperties": False,
}

_ANY_TAG = re.compile(r"</?NEW_[0-9a-f]{8}>")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def tags(nonce: str) -> tuple[str, str]:
    """Opening and closing tag of a nonce."""
    return f"<NEW_{nonce}>", f"</NEW_{nonce}>"


def read_tagged(completion: Completion, nonce: str) -> str:
    """The text between the tags of `nonce`.

    Each tag must occur exactly once, the first at the beginning of a line and the second at the end of one.

    Raises:
        ProposalError: the reply holds no usable value; the message says why.
    """
    text = _complete(completion)
    opening, closing = tags(nonce)
    try:
        value = between(text, opening, closing)
    except ReplyProblem as problem:
        raise ProposalError(str(problem)) from None
    before, after = text.partition(opening)[0], text.rpartition(closing)[2]
    if before.rpartition("\n")[2].strip() or after.partition("\n")[0].strip():
        raise ProposalError("the opening tag must begin a line and the closing tag must end one")
    return _usable(value)


def read_structured(completion: Completion) -> str:
    """The field ``improved_variable`` of a JSON reply.

    Raises:
        ProposalError: the reply holds no usable value; the message says why.
    """
    text = _complete(completion)
    try:
        value = json_object(text).get("improved_variable")
    except ReplyProblem as problem:
        raise ProposalError(str(problem)) from None
    if not isinstance(value, str):
        raise ProposalError('the JSON object must have a field "improved_variable" that is a text')
    return _usable(value)


def _complete(completion: Completion) -> str:
    try:
        text = complete_text(completion)
    except ReplyProblem as problem:
        raise ProposalError(str(problem)) from None
    if completion.finish != "stop":
        raise ProposalError(f"the reply ended with {completion.finish!r}; answer with text alone")
    return text.replace("\r\n", "\n")


def _usable(value: str) -> str:
    value = value.strip()
    if not value:
        raise ProposalError("the new value is empty")
    if tag := _ANY_TAG.search(value):
        raise ProposalError(f"the new value contains the tag {tag.group()}, which belongs to no value")
    if half := _SURROGATE.search(value):
        raise ProposalError(f"the new value contains U+{ord(half.group()):04X}, half a character")
    return value
