"""`Deadline`: a call ends in time, its tries and the pauses between them included.

The clock stands still while a call waits for its turn (`off_the_clock`): a long queue is no fault of a call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message

_clock: ContextVar[asyncio.Timeout | None] = ContextVar("textgrad_agents_deadline", default=None)


class Deadline(Wrapper):
    """Gives a call up when it has taken too long.

    Args:
        engine: the engine inside.
        seconds: most seconds of a call, without its waits for a turn.
    """

    def __init__(self, engine: Engine, seconds: float) -> None:
        if not seconds > 0:
            raise ConfigError(f"a deadline must be more than 0 seconds, got {seconds}")
        super().__init__(engine)
        self.seconds = seconds

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`.

        Raises:
            EngineError: the time is over, or what the inner engine raises.
        """
        timeout = asyncio.timeout(self.seconds)
        try:
            async with timeout:
                token = _clock.set(timeout)
                try:
                    return await self.engine.generate(messages, options)
                finally:
                    _clock.reset(token)
        except TimeoutError:
            if not timeout.expired():
                raise
        raise make_fault(
            "deadline", f"{self.name} gave no answer within {self.seconds:g} s, all tries included", EngineError
        )


def time_left() -> float | None:
    """Seconds until the running call is given up; None if it has no deadline."""
    timeout = _clock.get()
    until = None if timeout is None else timeout.when()
    return None if until is None else until - asyncio.get_running_loop().time()


@contextmanager
def off_the_clock() -> Generator[None, None, None]:
    """Time spent inside does not count towards the deadline of the running call."""
    timeout, left = _clock.get(), time_left()
    if timeout is None or left is None:
        yield
        return
    timeout.reschedule(None)
    try:
        yield
    finally:
        timeout.reschedule(asyncio.get_running_loop().time() + left)
