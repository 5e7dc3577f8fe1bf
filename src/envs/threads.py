"""Threads for tools that are plain functions.

A tool may hang, and a thread cannot be stopped. So the threads are daemons, which do not keep a program from ending,
and a caller that gave up on one leaves it behind. Threads that are done wait for the next call.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")

MOST_IDLE = 32


class _Worker:
    """A thread that runs what is put into `calls`, until it is told not to wait for more."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], bool]] = SimpleQueue()
        threading.Thread(target=self._serve, name="textgrad-agents-tool", daemon=True).start()

    def _serve(self) -> None:
        while self.calls.get()():
            pass


_idle: deque[_Worker] = deque()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has no threads but the one that forked


async def run_in_thread(call: Callable[[], T]) -> T:
    """Run `call` on a thread, with a copy of this task's context variables, and wait for its result."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()
    context = copy_context()

    def settle(value: T | None, error: BaseException | None) -> None:
        if result.done():  # nobody waits any more
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]

    def work() -> bool:
        value, error = None, None
        try:
            value = context.run(call)
        except StopIteration as stopped:  # which a future cannot hold
            error = RuntimeError("the function raised StopIteration")
            error.__cause__ = stopped
        except BaseException as raised:
            error = raised
        stays = len(_idle) < MOST_IDLE
        if stays:
            _idle.append(worker)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, value, error)
        return stays

    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
    worker.calls.put(work)
    return await result
