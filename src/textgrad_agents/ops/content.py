"""What models are sent, made from values: messages, and the parts of messages that hold several things."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from textgrad_agents.messages import Message, system, user
from textgrad_agents.seeds import text_hash
from textgrad_agents.variables.images import media_type

if TYPE_CHECKING:
    from textgrad_agents.tools import Tool


def part(value: object) -> dict[str, Any]:
    """A part of a message: image bytes as an image, anything else as text."""
    if isinstance(value, bytes):
        encoded = base64.b64encode(value).decode()
        return {"type": "image_url", "image_url": {"url": f"data:{media_type(value)};base64,{encoded}"}}
    return {"type": "text", "text": str(value)}


def user_message(values: Sequence[object]) -> Message:
    """One user message of several texts and images."""
    return user([part(value) for value in values])


def conversation(value: object, system_prompt: str | None = None) -> list[Message]:
    """The messages to send for a value.

    Args:
        value: a Message (or its fields in a dict), a text, an image, or a list of these. Texts and images become
            messages of the user.
        system_prompt: comes first, if given.
    """
    items = cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else (value,)
    messages = [_message(item) for item in items]
    return messages if system_prompt is None else [system(system_prompt), *messages]


def tool_schemas(tools: Sequence[Tool | Mapping[str, Any]] | None) -> tuple[Mapping[str, Any], ...]:
    """Tools in the wire form."""
    return tuple(
        one if isinstance(one, Mapping) else one.model_dump(exclude_none=True, by_alias=True) for one in tools or ()
    )


def tool_name(choice: Tool | str | None) -> str | None:
    """A choice of tools as engines take it."""
    return choice if choice is None or isinstance(choice, str) else choice.info.name


def fingerprint(messages: Sequence[Message], *more: object) -> str:
    """A short text that equal requests share."""
    return text_hash(repr(([one.model_dump() for one in messages], more)))


def _message(value: object) -> Message:
    if isinstance(value, Message):
        return value
    if isinstance(value, dict) and "role" in value:
        return Message.model_validate(value)
    return user_message([value]) if isinstance(value, bytes) else user(str(cast("object", value)))
