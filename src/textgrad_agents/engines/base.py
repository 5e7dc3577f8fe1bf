"""What engines share: token estimates, the cost of a call, one value per event loop."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar, runtime_checkable

from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import Message, Usage

T = TypeVar("T")


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


def one_line(value: object, limit: int = 200) -> str:
    """The beginning of `value` on one line, for messages."""
    text = " ".join(str(value).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


@runtime_checkable
class Priced(Protocol):
    """An engine whose calls cost money."""

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage`, or None if the price is not known."""
        ...


def call_cost(engine: Engine, usage: Usage) -> float | None:
    """USD for `usage` of `engine`, None if unknown. An engine without prices runs on this machine and is free."""
    return engine.cost(usage) if isinstance(engine, Priced) else 0.0


def is_structured(engine: Engine) -> bool:
    """True if `engine` follows `GenerateOptions.response_schema`."""
    return bool(getattr(engine, "structured", False))


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
