"""`Retried`: faults that pass are waited out, and each try is told to whoever wants to know."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from textgrad_agents.engines.base import call_cost
from textgrad_agents.engines.faults import FAULTS, Fault
from textgrad_agents.engines.middleware.deadline import time_left
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, EngineRole, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage

_log = logging.getLogger(__name__)

TRIES = 8
_LONGEST_WAIT = 30.0
_ANY = Fault()


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a call, for the record.

    Attributes:
        engine: the engine's name.
        role: which part the call plays.
        number: counted from 1.
        outcome: ``answered``, or the kind of fault.
        seconds: how long it took, with its wait for a turn.
        wait: seconds until the next try; None if there is none.
        usage: tokens, None if nothing is known to have been charged.
        cost_usd: their price, None if unknown.
    """

    engine: str
    role: EngineRole
    number: int
    outcome: str
    seconds: float
    wait: float | None = None
    usage: Usage | None = None
    cost_usd: float | None = None


class Retried(Wrapper):
    """Asks again after an `EngineError` that is `transient`; every other error goes straight through.

    How often depends on the kind of fault (`engines.faults.FAULTS`). The wait doubles with each try, has half of it at
    random, and is never shorter than the server asked for. A reply that its cap cut off before the first word is asked
    for once more with twice the cap.

    Args:
        engine: the engine inside.
        attempts: most tries of one call.
        first_wait: seconds before the second try, at most.
        on_try: called after each try.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        attempts: int = TRIES,
        first_wait: float = 1.0,
        on_try: Callable[[Try], None] | None = None,
    ) -> None:
        if attempts < 1:
            raise ConfigError(f"attempts must be at least 1, got {attempts}")
        super().__init__(engine)
        self.attempts = attempts
        self.first_wait = first_wait
        self.on_try = on_try

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`.

        Raises:
            EngineError: the last try failed, the fault will not pass, or the deadline is too near to wait.
        """
        number = 0
        while True:
            number += 1
            start = time.monotonic()
            try:
                completion = await self.engine.generate(messages, options)
            except EngineError as error:
                wait = self._wait(number, error)
                self._tell(options, number, start, error.kind or "error", error.usage, wait)
                if wait is None:
                    raise
                _log.info("%s: try %d failed, next in %.1f s: %s", self.name, number, wait, error)
                options = _raised(options, error)
            else:
                self._tell(options, number, start, "answered", completion.usage, None)
                return completion
            await asyncio.sleep(wait)

    def _wait(self, number: int, error: EngineError) -> float | None:
        """Seconds until the next try, None if there is to be none."""
        fault = FAULTS.get(error.kind, _ANY)
        tries = self.attempts if fault.tries is None else min(fault.tries, self.attempts)
        if number >= tries or not (error.transient or error.kind == "length"):
            return None
        longest = min(self.first_wait * 2 ** (number - 1), _LONGEST_WAIT)
        wait = max(longest * random.uniform(0.5, 1.0), error.retry_after or 0.0)
        left = time_left()
        return wait if left is None or wait < left else None

    def _tell(
        self, options: GenerateOptions, number: int, start: float, outcome: str, usage: object, wait: float | None
    ) -> None:
        if self.on_try is None:
            return
        used = usage if isinstance(usage, Usage) else None
        cost = None if used is None else call_cost(self.engine, used)
        self.on_try(Try(self.name, options.role, number, outcome, time.monotonic() - start, wait, used, cost))


def _raised(options: GenerateOptions, error: EngineError) -> GenerateOptions:
    """The options of the next try: the same, but with a higher cap after a reply that was cut off."""
    if error.kind != "length" or not isinstance(error.usage, Usage):
        return options
    return replace(options, max_tokens=2 * max(error.usage.output_tokens, options.max_tokens or 1))
