"""What engines share: token estimates, what an engine says of itself, one value per event loop."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Message, Usage

T = TypeVar("T")

_FRAME = 16  # tokens that a chat template puts around a message, at most
_IMAGE = 40_000  # tokens that any provider takes a picture for, at most
_DEFAULT_CAP = 4096


def estimate_tokens(text: str) -> int:
    """Tokens that `text` probably has in a usual tokenizer: a quarter of its characters, or 4/3 of its words."""
    return math.ceil(max(len(text) / 4, len(text.split()) / 0.75))


def estimate_usage(messages: Sequence[Message], reply: str) -> Usage:
    """Usage of a call whose server did not count."""
    return Usage(
        input_tokens=sum(estimate_tokens(message.text) for message in messages),
        output_tokens=estimate_tokens(reply),
        estimated=True,
    )


def most_tokens(messages: Sequence[Message], options: GenerateOptions) -> int:
    """Tokens of a request, at most: a tokenizer makes no more of a text than it has bytes."""
    tokens = 2 * _FRAME
    for message in messages:
        text = message.text
        tokens += len(text.encode(errors="replace")) + _FRAME
        if message.content != text:  # parts, or nothing
            tokens += _IMAGE * ((str(message.content or "").count("image_url") + 1) // 2)  # a part says it twice
        if message.tool_calls:
            tokens += sum(len(call.model_dump_json()) + _FRAME for call in message.tool_calls)
    for told in (*options.tools, options.response_schema):
        if told is not None:
            tokens += len(json.dumps(told, default=str)) + _FRAME
    return tokens


def one_line(value: object, limit: int = 200) -> str:
    """The beginning of `value` on one line, for messages."""
    text = " ".join(str(value).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# What an engine may say of itself beyond the protocol; wrappers say it on.


def call_cost(engine: Engine, usage: Usage) -> float | None:
    """USD for `usage` of `engine`, None if unknown. An engine without prices runs on this machine and is free."""
    cost: Callable[[Usage], float | None] | None = getattr(engine, "cost", None)
    return cost(usage) if cost else 0.0


def most_usage(engine: Engine, messages: Sequence[Message], options: GenerateOptions) -> Usage:
    """The most that a call of `engine` may use."""
    most: Callable[[Sequence[Message], GenerateOptions], Usage] | None = getattr(engine, "most_usage", None)
    if most:
        return most(messages, options)
    return Usage(most_tokens(messages, options), options.max_tokens or _DEFAULT_CAP, estimated=True)


def is_structured(engine: Engine) -> bool:
    """True if `engine` follows `GenerateOptions.response_schema`."""
    return bool(getattr(engine, "structured", False))


def server_of(engine: Engine) -> str | None:
    """The address that `engine` asks; None if it answers in this process."""
    return getattr(engine, "server", None)


def rates_of(engine: Engine) -> tuple[float | None, float | None]:
    """Requests and tokens per minute that the account of `engine` allows, None where nothing is said."""
    return getattr(engine, "rates", (None, None))


def identity_of(engine: Engine) -> Mapping[str, Any]:
    """What decides the answers of `engine` to a request besides the request."""
    return getattr(engine, "identity", None) or {"engine": engine.name}


class PerLoop(Generic[T]):
    """One value per event loop, made on first use; a client or a semaphore belongs to the loop it was made on.

    Args:
        make: makes the value; called inside the running loop.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._values: dict[asyncio.AbstractEventLoop, T] = {}

    def get(self) -> T:
        """The value of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._values:
                self._values = {each: value for each, value in self._values.items() if not each.is_closed()}
                self._values[loop] = self._make()
            return self._values[loop]

    def pop(self) -> T | None:
        """Take out the value of the running loop, if it has one."""
        with self._lock:
            return self._values.pop(asyncio.get_running_loop(), None)
