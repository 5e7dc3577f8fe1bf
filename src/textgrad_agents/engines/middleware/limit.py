"""`Limited`: no more than so many calls at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textgrad_agents.engines.base import PerLoop
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message


class Limited(Wrapper):
    """Lets at most `concurrency` calls of each event loop run at once; the others wait in order."""

    def __init__(self, engine: Engine, concurrency: int) -> None:
        if concurrency < 1:
            raise ConfigError(f"concurrency must be at least 1, got {concurrency}")
        super().__init__(engine)
        self._slots = PerLoop(lambda: asyncio.Semaphore(concurrency))

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages` when a slot is free."""
        async with self._slots.get():
            return await self.engine.generate(messages, options)
