"""`Turns`: plain code beside an event loop, one function at a time.

A plain function may take long, and may read values that the loop has yet to compute: on the loop's thread the one would
hold up all other calls, and the other would never end. Beside it functions run one after the other, as in a plain
program; one that waits for a value lets others run meanwhile, so that none waits for a turn that never comes.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


class Turns:
    """Gives plain functions their turns, on daemon threads that end when there is nothing to do."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._work: deque[Callable[[], None]] = deque()
        self._taken = False
        self._returning = 0

    async def run(self, function: Callable[[], T]) -> T:
        """The result of `function`, which sees the context variables of the caller."""
        loop, context = asyncio.get_running_loop(), copy_context()
        result: asyncio.Future[T] = loop.create_future()

        def settle(finish: Callable[[Any], None], outcome: object) -> None:
            if not result.done():
                finish(outcome)

        def work() -> None:
            if result.cancelled():
                return
            finish: Callable[[Any], None] = result.set_exception
            try:
                outcome: object = context.run(function)
                finish = result.set_result
            except StopIteration as stopped:  # which a future cannot hold
                outcome = RuntimeError("plain code raised StopIteration")
                outcome.__cause__ = stopped
            except BaseException as error:
                outcome = error
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(settle, finish, outcome)

        with self._change:
            self._work.append(work)
            if not self._taken:
                self._pass_on()
        return await result

    @contextmanager
    def passed_on(self) -> Generator[None, None, None]:
        """Inside the block others have the turn that this thread had."""
        with self._change:
            self._pass_on()
        try:
            yield
        finally:
            with self._change:
                self._returning += 1
                self._change.wait_for(lambda: not self._taken)
                self._returning -= 1
                self._taken = True

    def _pass_on(self) -> None:
        """Give the turn to a function that had it before, else to one that waits, else to nobody."""
        self._taken = False
        if self._returning:
            self._change.notify()
        elif self._work:
            self._taken = True
            threading.Thread(target=self._serve, name="textgrad-agents-plain", daemon=True).start()

    def _serve(self) -> None:
        _here.turns = self
        while (work := self._next()) is not None:
            work()

    def _next(self) -> Callable[[], None] | None:
        with self._change:
            if self._work and not self._returning:
                return self._work.popleft()
            self._pass_on()
            return None


class _Here(threading.local):
    turns: Turns | None = None


_here = _Here()


@contextmanager
def waiting() -> Generator[None, None, None]:
    """To be put around whatever waits for an event loop: a plain function that has its turn passes it on."""
    if _here.turns is None:
        yield
    else:
        with _here.turns.passed_on():
            yield
