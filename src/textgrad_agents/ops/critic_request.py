"""A critic's request as a model reads it: a task in a sentence, and the step as a block of data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel

from textgrad_agents.interfaces import CriticInput, CriticRequest
from textgrad_agents.messages import Message, user
from textgrad_agents.ops.content import part
from textgrad_agents.ops.request import data_block

OBJECTIVE_TASK = (
    "The output of the step below says how good something is, or what is aimed at. "
    "Say how each wanted input should change so that the output would be more favourable."
)
FEEDBACK_TASK = (
    "The output of the step below was used further on, and the feedback listed was given on it. "
    "Say how each wanted input should change so that the output would answer the feedback."
)


def question(request: CriticRequest, answer_format: str) -> Message:
    """The user message: task, data, answer format, and after them the images that the data refer to."""
    images: list[bytes] = []
    data = _data(request, images)
    text = "\n\n".join([FEEDBACK_TASK if request.feedback else OBJECTIVE_TASK, data_block(data), answer_format])
    if not images:
        return user(text)
    labelled = [one for number, image in enumerate(images, 1) for one in (f"image {number}:", image)]
    return user([part(one) for one in (text, *labelled)])


def context_of(request: CriticRequest, wanted: CriticInput) -> str | tuple[str | bytes, ...]:
    """What an optimizer should know of the step when it rewrites one of its inputs: the rest of it."""
    parts: list[str | bytes] = [f"Step: {request.op} ({request.purpose})"]
    for one in request.inputs:
        if one.name != wanted.name:
            parts += [f"Input {one.name} ({one.role}):" if one.role else f"Input {one.name}:", *_pieces(one.value)]
    parts += [f"Output ({request.output_role}):", *_pieces(request.output)]
    texts = [one for one in parts if isinstance(one, str)]
    return "\n".join(texts) if len(texts) == len(parts) else tuple(parts)


def _data(request: CriticRequest, images: list[bytes]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "step": {"name": request.op, "purpose": request.purpose},
        "inputs": [{"name": one.name, "role": one.role, "value": _plain(one.value, images)} for one in request.inputs],
        "wanted": [one.name for one in request.inputs if one.wanted],
        "output": {"role": request.output_role, "value": _plain(request.output, images)},
    }
    if _adds_something(request):
        data["conversation"] = [_plain(message, images) for message in request.messages]
    if request.feedback:
        data["feedback"] = list(request.feedback)
    if request.instruction:
        data["advice"] = request.instruction
    return data


def _adds_something(request: CriticRequest) -> bool:
    """True if the conversation holds a text that is not the value of an input."""
    values = [one.value for one in request.inputs]
    texts = {str(value) for value in values} | {value.text for value in values if isinstance(value, Message)}
    return any(message.text not in texts for message in request.messages)


def _plain(value: Any, images: list[bytes]) -> Any:
    """A value as JSON; images are collected and referred to by number."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, bytes):
        if value not in images:
            images.append(value)
        return {"image": images.index(value) + 1}
    if isinstance(value, Message):
        return _message(value)
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(), images)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name), images) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one, images) for key, one in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one, images) for one in cast("Sequence[Any]", value)]
    return str(value)


def _message(message: Message) -> dict[str, Any]:
    """A message without what is not set; an image in it is named, its bytes are an input's."""
    fields = message.model_dump(exclude_none=True)
    parts = message.deserialized_content
    if isinstance(parts, list):
        fields["content"] = [one if one["type"] == "text" else {"type": one["type"]} for one in parts]
    return fields


def _pieces(value: Any) -> list[str | bytes]:
    """A value as texts and images, for people and models."""
    if isinstance(value, bytes):
        return [value]
    if isinstance(value, Message):
        calls = [f"calls {call.function.name}({call.function.arguments})" for call in value.tool_calls or ()]
        return ["\n".join([f"{value.role}: {value.text}", *calls])]
    if isinstance(value, (list, tuple)):
        return [piece for one in cast("Sequence[Any]", value) for piece in _pieces(one)]
    return [str(value)]
