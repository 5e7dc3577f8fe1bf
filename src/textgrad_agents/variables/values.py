"""Values as JSON and back: texts, numbers, images, messages, handles of adapters, trees of these.

JSON's own values stand for themselves. Everything else is an object with ``$type``; no other object has a key that
begins with ``$``. A value of a type unknown here is written as text, and comes back as `Opaque`.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from textgrad_agents import messages
from textgrad_agents.interfaces import Adapter
from textgrad_agents.messages import Completion, Message, ToolCall, Usage

_TYPE = "$type"
_REFERENCE = "$variable"


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that was written as text alone.

    Attributes:
        type: its type's name.
        text: its repr.
    """

    type: str
    text: str


def encode(value: Any) -> Any:
    """A value as JSON."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _encode_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {_TYPE: "float", "value": repr(value)}
    if isinstance(value, list):
        return [encode(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        tree = cast("dict[Any, Any]", value)
        if all(isinstance(key, str) and _is_utf8(key) and not key.startswith("$") for key in tree):
            return {key: encode(one) for key, one in tree.items()}
        return {_TYPE: "dict", "items": [[encode(key), encode(one)] for key, one in tree.items()]}
    if isinstance(value, tuple):
        return {_TYPE: "tuple", "items": [encode(one) for one in cast("tuple[Any, ...]", value)]}
    if isinstance(value, bytes):
        return {_TYPE: "bytes", "base64": base64.b64encode(value).decode()}
    return _encode_object(value)


def reference(number: int) -> dict[str, Any]:
    """What stands in JSON for a value that is known to the reader by a number."""
    return {_REFERENCE: number}


def decode(value: Any, known: Sequence[Any] = ()) -> Any:
    """The value that was encoded.

    Args:
        value: JSON.
        known: values that references stand for.

    Raises:
        ValueError: it is not what `encode` writes.
    """
    if isinstance(value, list):
        return [decode(one, known) for one in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    tree = cast("dict[str, Any]", value)
    if _REFERENCE in tree:
        number = tree[_REFERENCE]
        if not isinstance(number, int) or not 0 <= number < len(known):
            raise ValueError(f"it refers to value {number!r}, which is not known")
        return known[number]
    if _TYPE not in tree:
        return {key: decode(one, known) for key, one in tree.items()}
    decoder = _DECODERS.get(tree[_TYPE]) if isinstance(tree[_TYPE], str) else None
    if decoder is None:
        raise ValueError(f"no value is of the type {tree[_TYPE]!r}")
    try:
        return decoder(tree, known)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a value of type {tree[_TYPE]!r} is damaged: {error!r}") from None


def _encode_text(text: str) -> Any:
    if _is_utf8(text):
        return text
    return {_TYPE: "str", "base64": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}


def _is_utf8(text: str) -> bool:
    """False for texts with halves of characters, which no JSON file can hold."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _encode_object(value: Any) -> Any:
    if type(value).__module__ == "numpy" and value.dtype.kind in "biuf":
        return _encode_array(value)
    if isinstance(value, Message) and getattr(messages, type(value).__name__, None) is type(value):
        context = {"include_info": True, "deserialize_content": False}
        return {_TYPE: "Message", "class": type(value).__name__, "fields": encode(value.model_dump(context=context))}
    if isinstance(value, Completion):
        return _encode_completion(value)
    if isinstance(value, Adapter):
        return {_TYPE: "Adapter", "fields": asdict(value)}
    if isinstance(value, Opaque):
        return {_TYPE: "opaque", "of": value.type, "text": _encode_text(value.text)}
    return {_TYPE: "opaque", "of": type(value).__qualname__, "text": _encode_text(repr(value))}


def _encode_completion(completion: Completion) -> dict[str, Any]:
    """All but the trace of tokens, which is kept with episodes."""
    said = {"text": completion.text, "finish": completion.finish, "model": completion.model}
    return {
        _TYPE: "Completion",
        "fields": encode({**said, "details": dict(completion.details)}),
        "usage": asdict(completion.usage),
        "tool_calls": [call.model_dump() for call in completion.tool_calls],
    }


def _encode_array(value: Any) -> dict[str, Any]:
    data = base64.b64encode(value.tobytes()).decode()
    return {_TYPE: "array", "dtype": value.dtype.str, "shape": list(value.shape), "base64": data}


def _message(tree: dict[str, Any], known: Sequence[Any]) -> Message:
    kind = getattr(messages, str(tree["class"]), None)
    if not (isinstance(kind, type) and issubclass(kind, Message)):
        raise ValueError(f"{tree['class']!r} is no message")
    return kind.model_validate(decode(tree["fields"], known))


def _completion(tree: dict[str, Any], known: Sequence[Any]) -> Completion:
    calls = tuple(ToolCall.model_validate(call) for call in tree["tool_calls"])
    return Completion(**decode(tree["fields"], known), usage=Usage(**tree["usage"]), tool_calls=calls)


def _array(tree: dict[str, Any], known: Sequence[Any]) -> Any:
    import numpy as np

    dtype: np.dtype[Any] = np.dtype(tree["dtype"])
    if dtype.kind not in "biuf":
        raise ValueError(f"arrays of {dtype} are not read")
    return np.frombuffer(base64.b64decode(tree["base64"]), dtype).reshape(tree["shape"]).copy()


_DECODERS: dict[str, Callable[[dict[str, Any], Sequence[Any]], Any]] = {
    "Adapter": lambda tree, known: Adapter(**tree["fields"]),
    "Completion": _completion,
    "Message": _message,
    "array": _array,
    "bytes": lambda tree, known: base64.b64decode(tree["base64"], validate=True),
    "dict": lambda tree, known: {decode(key): decode(one, known) for key, one in tree["items"]},
    "float": lambda tree, known: float(tree["value"]),
    "opaque": lambda tree, known: Opaque(tree["of"], decode(tree["text"])),
    "str": lambda tree, known: base64.b64decode(tree["base64"], validate=True).decode("utf-8", "surrogatepass"),
    "tuple": lambda tree, known: tuple(decode(one, known) for one in tree["items"]),
}
