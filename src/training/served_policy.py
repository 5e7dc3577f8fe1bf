"""A vLLM server that samples with the adapter as it stands at each call, while it is trained in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textgrad_agents.engines.base import PerLoop
from textgrad_agents.engines.middleware import Wrapper
from textgrad_agents.errors import EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Adapter, GenerateOptions
from textgrad_agents.messages import Completion, Message

if TYPE_CHECKING:
    from textgrad_agents.engines.vllm_server import VLLMEngine


class ServedPolicy(Wrapper):
    """Brings weights to the server before it is asked with them, each version under a name of its own.

    A server that was restarted, and lost them, is given them once more.

    Args:
        server: the engine behind the server.
        present: the adapter that is to sample; None for the base model alone.
        write: writes it into a folder that the server can read, and says which.
    """

    def __init__(
        self, server: VLLMEngine, present: Callable[[], Adapter | None], write: Callable[[Adapter], Path]
    ) -> None:
        super().__init__(server)
        self._adapters = server.adapters
        self._present = present
        self._write = write
        self._locks = PerLoop(asyncio.Lock)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages` with the present weights.

        Raises:
            ConfigError: the server does not load adapters.
            EngineError: no usable answer.
        """
        adapter = self._present()
        named = {"adapter": None} if adapter is None else {"adapter": adapter.name, "adapter_sha256": adapter.sha256}
        asked = replace(options, extra={**options.extra, **named})
        await self._bring(adapter)
        try:
            return await self.engine.generate(messages, asked)
        except EngineError as error:
            if error.kind != "model" or adapter is None or adapter in self._adapters.loaded:
                raise
        await self._bring(adapter)
        return await self.engine.generate(messages, asked)

    async def _bring(self, adapter: Adapter | None) -> None:
        async with self._locks.get():
            if adapter is not None and adapter not in self._adapters.loaded:
                await self._adapters.use(adapter, self._write(adapter))
