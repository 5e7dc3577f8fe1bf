"""`Retried`: faults that pass are waited out."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Sequence

from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message

_log = logging.getLogger(__name__)
_LONGEST_WAIT = 30.0


class Retried(Wrapper):
    """Asks again after an `EngineError` that is `transient`; every other error goes straight through.

    The wait doubles with each try, has half of it at random, and is never shorter than the server asked for.

    Args:
        engine: the engine inside.
        attempts: most tries of one call.
        deadline: seconds after the first try in which a further one may begin.
        first_wait: seconds before the second try, at most.
    """

    def __init__(self, engine: Engine, *, attempts: int = 5, deadline: float = 120.0, first_wait: float = 1.0) -> None:
        if attempts < 1:
            raise ConfigError(f"attempts must be at least 1, got {attempts}")
        super().__init__(engine)
        self.attempts = attempts
        self.deadline = deadline
        self.first_wait = first_wait

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`.

        Raises:
            EngineError: the last try failed, the fault will not pass, or the deadline is too near to wait.
        """
        start = time.monotonic()
        for attempt in range(1, self.attempts):
            try:
                return await self.engine.generate(messages, options)
            except EngineError as error:
                wait = self._wait(attempt, error)
                if not error.transient or time.monotonic() + wait > start + self.deadline:
                    raise
                _log.info("%s: try %d failed, next in %.1f s: %s", self.name, attempt, wait, error)
            await asyncio.sleep(wait)
        return await self.engine.generate(messages, options)

    def _wait(self, attempt: int, error: EngineError) -> float:
        longest = min(self.first_wait * 2 ** (attempt - 1), _LONGEST_WAIT)
        return max(longest * random.uniform(0.5, 1.0), error.retry_after or 0.0)
