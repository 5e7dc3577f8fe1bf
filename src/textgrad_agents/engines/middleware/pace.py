"""`Paced`: requests and tokens per minute."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

from textgrad_agents.engines.base import estimate_usage
from textgrad_agents.engines.middleware.deadline import off_the_clock
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage


class Pace:
    """So many per minute, evenly: what is taken now moves the next one back. Shared by loops and threads."""

    def __init__(self, per_minute: float) -> None:
        if not per_minute > 0:
            raise ConfigError(f"a rate must be more than 0 per minute, got {per_minute}")
        self._seconds = 60 / per_minute
        self._free_at = 0.0
        self._lock = threading.Lock()

    def take(self, amount: float) -> float:
        """Take `amount`; returns the seconds to wait before using it."""
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._free_at)
            self._free_at = begin + amount * self._seconds
            return begin - now

    def give_back(self, amount: float) -> None:
        """Give back what was taken and not used (less than nothing: take what was used beyond)."""
        with self._lock:
            self._free_at -= amount * self._seconds


class Paced(Wrapper):
    """Spaces calls so that the rates of an account are kept.

    Tokens are taken before the call, as many as it may use by a usual estimate, and set right after it.

    Args:
        engine: the engine inside.
        requests: pace of the calls.
        tokens: pace of the tokens.
    """

    def __init__(self, engine: Engine, requests: Pace | None = None, tokens: Pace | None = None) -> None:
        super().__init__(engine)
        self.requests = requests
        self.tokens = tokens

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages` when the pace allows it."""
        wait, taken = 0.0, 0
        if self.requests is not None:
            wait = self.requests.take(1)
        if self.tokens is not None:
            cap = self.most_usage(messages, options).output_tokens
            taken = estimate_usage(messages, "").input_tokens + cap
            wait = max(wait, self.tokens.take(taken))
        if wait > 0:
            with off_the_clock():
                await asyncio.sleep(wait)
        try:
            completion = await self.engine.generate(messages, options)
        except EngineError as error:
            self._set_right(taken, error.usage)
            raise
        self._set_right(taken, completion.usage)
        return completion

    def _set_right(self, taken: int, usage: object) -> None:
        used = usage.input_tokens + usage.output_tokens if isinstance(usage, Usage) else 0
        if self.tokens is not None:
            self.tokens.give_back(taken - used)
