"""One long-lived thread with an event loop: the door from plain code to async code.

Coroutines handed over run with a copy of the caller's contextvars. The thread starts on first use and is a daemon, so a
program that forgets to close it still ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from textgrad_agents.errors import PortalError
from textgrad_agents.turns import Turns, waiting

T = TypeVar("T")


class Portal:
    """An event loop on a thread of its own.

    Attributes:
        turns: for plain code that belongs to what runs on the loop.
    """

    def __init__(self) -> None:
        # Reentrant: a session that is collected while its portal is at work here closes the portal from this thread.
        self._lock = threading.RLock()
        self.turns = Turns()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; its thread is started if it is not running (a forked process has to start its own)."""
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                self.turns = Turns()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="textgrad-agents-portal", daemon=True
                )
                self._thread.start()
            return self._loop

    def is_current_thread(self) -> bool:
        """True on the portal's own thread, where waiting for it would never end."""
        return self._thread is threading.current_thread()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coroutine` on the portal; cancelling the future cancels it."""
        with self._lock:  # so that what is submitted comes before a `close` that follows
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the portal and wait for its result; Ctrl-C while waiting cancels it.

        Raises:
            PortalError: called on the portal's own thread, or the portal was closed meanwhile.
        """
        if self.is_current_thread():
            coroutine.close()
            raise PortalError("a sync door was opened inside an async op or callback; use the async form and await it")
        future = self.submit(coroutine)
        try:
            with waiting():
                return future.result()
        except CancelledError:
            raise PortalError(
                "the work was cancelled because its session was closed; open a session around it"
            ) from None
        except BaseException:
            future.cancel()
            raise

    def settled(self) -> Future[None]:
        """A future that is done when nothing is under way on the portal."""
        with self._lock:
            if self._loop is not None and not self.is_current_thread():
                return self.submit(_settled())
        nothing: Future[None] = Future()
        nothing.set_result(None)
        return nothing

    def close(self) -> None:
        """Cancel what is under way, stop the loop and join its thread. The portal may be used again afterwards."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            if loop is None or thread is None or not thread.is_alive():
                return
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout=5)


def start(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> Future[T]:
    """Start `coroutine` as a task of the loop that runs here; its result can be read from any thread."""
    task = loop.create_task(coroutine)
    future: Future[T] = Future()

    def hand_over(done: asyncio.Task[T]) -> None:
        if done.cancelled():
            future.cancel()
        if not future.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(done.result())

    def cancel(done: Future[T]) -> None:
        if done.cancelled() and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    task.add_done_callback(hand_over)
    future.add_done_callback(cancel)
    return future


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        stopped = False
        while not stopped:
            # A task that raises SystemExit stops the loop; its caller gets the exception, the others go on.
            with contextlib.suppress(KeyboardInterrupt, SystemExit):
                loop.run_forever()
                stopped = True
        while tasks := asyncio.all_tasks(loop):
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


async def _settled() -> None:
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks)
