"""`Lane`: how many calls of one server may be under way, as it shows that it can bear."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from typing import TypeAlias

from textgrad_agents.engines.middleware.deadline import off_the_clock
from textgrad_agents.errors import ConfigError

_log = logging.getLogger(__name__)

_Turn: TypeAlias = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]
_CUT_SECONDS = 1.0
_WORTH_SAYING = 5.0


class Lane:
    """Turns for the calls of one server; the calls of all loops and threads share them.

    The number of calls at once is halved when the server complains and grows by one with each round of answers
    (additive increase, multiplicative decrease). It is halved no more than once a second, and not for calls that began
    before the last cut.

    Args:
        most: most calls at once; the lane begins with as many.
    """

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ConfigError(f"concurrency must be at least 1, got {most}")
        self.most = most
        self._limit = float(most)
        self._running = 0
        self._queue: deque[_Turn] = deque()
        self._cut_at = 0.0
        self._opens_at = 0.0
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """How many calls may be under way now."""
        return int(self._limit)

    async def enter(self) -> float:
        """Wait for a turn; returns when it began. Whoever entered must leave."""
        with self._lock:
            turn = None
            if self._queue or self._running >= self.limit:
                loop = asyncio.get_running_loop()
                turn = loop, loop.create_future()
                self._queue.append(turn)
            else:
                self._running += 1
        try:
            if turn is not None:
                with off_the_clock():
                    await turn[1]
            while (wait := self._opens_at - time.monotonic()) > 0:
                with off_the_clock():
                    await asyncio.sleep(wait)
        except BaseException:
            self._leave_queue(turn)
            raise
        return time.monotonic()

    def leave(self, began: float, *, answered: bool = False, complained: bool = False) -> None:
        """End the turn of a call that began then.

        Args:
            began: what `enter` returned.
            answered: the server answered.
            complained: the server complained of too many calls.
        """
        with self._lock:
            if answered:
                self._limit = min(float(self.most), self._limit + 1 / self._limit)
            elif complained and began > self._cut_at and (now := time.monotonic()) > self._cut_at + _CUT_SECONDS:
                self._limit = max(1.0, self._limit / 2)
                self._cut_at = now
                _log.info("at most %d calls at once from now on", self.limit)
            self._running -= 1
            self._hand_over()

    def pause(self, seconds: float, who: str) -> None:
        """Let no call begin for so long, because `who` asks for it."""
        with self._lock:
            opens_at = time.monotonic() + seconds
            if opens_at <= self._opens_at:
                return
            self._opens_at = opens_at
        if seconds >= _WORTH_SAYING:
            clock = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
            _log.warning("%s asks to wait %.0f s; its calls pause until %s", who, seconds, clock)

    def _leave_queue(self, turn: _Turn | None) -> None:
        with self._lock:
            if turn is not None and turn in self._queue:
                self._queue.remove(turn)
                return
            self._running -= 1  # the turn was there already
            self._hand_over()

    def _hand_over(self) -> None:
        while self._queue and self._running < self.limit:
            loop, future = self._queue.popleft()
            try:
                loop.call_soon_threadsafe(_grant, future)
            except RuntimeError:  # its loop is closed, nobody waits
                continue
            self._running += 1


def _grant(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
