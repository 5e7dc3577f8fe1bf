"""`CircuitBreaker`: a server that is down is left alone, and the run is told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from textgrad_agents.engines.base import one_line
from textgrad_agents.engines.faults import FAULTS, make_fault
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.errors import EngineAccessError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message

FAULTS_IN_A_ROW = 20
SECONDS = 60.0
PROBE_SECONDS = 15.0


class CircuitBreaker(Wrapper):
    """Sends nothing to a server that has long answered nothing, but for a probe now and then.

    The circuit opens after so many faults of the server in a row, if they also fill so many seconds, and closes with
    the first answer. While it is open, calls fail at once with an `EngineAccessError`, which stops a run where it can
    be resumed.

    Args:
        engine: the engine inside.
        faults: faults in a row that open the circuit.
        seconds: for how long there must have been no answer.
        probe_seconds: time between probes of an open circuit.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        faults: int = FAULTS_IN_A_ROW,
        seconds: float = SECONDS,
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        super().__init__(engine)
        self.faults = faults
        self.seconds = seconds
        self.probe_seconds = probe_seconds
        self._lock = threading.Lock()
        self._row = 0
        self._since = 0.0
        self._probe_at = 0.0
        self._last = ""

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`.

        Raises:
            EngineAccessError: the circuit is open; nothing was sent.
            EngineError: what the inner engine raises.
        """
        self._check()
        try:
            completion = await self.engine.generate(messages, options)
        except EngineError as error:
            if error.kind in FAULTS and FAULTS[error.kind].tries is None:
                self._count(error)
            elif error.kind:  # other errors say nothing of the server
                self._close()
            raise
        self._close()
        return completion

    def _check(self) -> None:
        with self._lock:
            now = time.monotonic()
            if self._row < self.faults or now - self._since < self.seconds:
                return
            if now >= self._probe_at:
                self._probe_at = now + self.probe_seconds
                return
            raise make_fault(
                "down",
                f"{self.server or self.name} has answered none of the last {self._row} tries, for "
                f"{now - self._since:.0f} s; the last fault: {self._last}; what is finished is kept: run again when "
                "the server is back",
                EngineAccessError,
            )

    def _count(self, error: EngineError) -> None:
        with self._lock:
            if self._row == 0:
                self._since = time.monotonic()
            self._row += 1
            self._last = one_line(error)

    def _close(self) -> None:
        with self._lock:
            self._row = 0
