"""Values that are still being computed.

An async op called from plain code starts at once and gives a Variable whose value is pending: reading ``.value`` waits
for it, ``await variable`` awaits it. Calls started one after the other therefore run concurrently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from textgrad_agents.errors import GraphError, PortalError
from textgrad_agents.portal import Portal, start
from textgrad_agents.turns import waiting
from textgrad_agents.variables.call import OpCall

_begun: ContextVar[WeakSet[Future[Any]] | None] = ContextVar("textgrad_agents_begun", default=None)
"""The computations that were begun in the innermost `stopping_what_is_begun` of this context."""


@contextmanager
def stopping_what_is_begun() -> Generator[None, None, None]:
    """Stop the computations that were begun in the block and are under way when an error, or a cancellation, leaves it.

    Without it they go on, since others may wait for them.
    """
    begun: WeakSet[Future[Any]] = WeakSet()
    token = _begun.set(begun)
    try:
        yield
    except BaseException:
        for future in list(begun):
            future.cancel()
        raise
    finally:
        _begun.reset(token)


class Pending:
    """The future value of one op call.

    Args:
        coroutine: computes the value.
        portal: runs the coroutine where no loop is given.
        loop: the loop that runs here and that the coroutine belongs to, or None for the portal.
        call: the op call.
    """

    __slots__ = ("_future", "call", "loop")

    def __init__(
        self, coroutine: Coroutine[Any, Any, Any], portal: Portal, loop: asyncio.AbstractEventLoop | None, call: OpCall
    ) -> None:
        if loop is None and portal.is_current_thread():
            loop = portal.loop
        self.loop = loop if loop is not None else portal.loop
        self._future: Future[Any] = portal.submit(coroutine) if loop is None else start(coroutine, loop)
        self.call = call
        begun = _begun.get()
        if begun is not None:
            begun.add(self._future)

    def done(self) -> bool:
        """True if the value or an exception is there."""
        return self._future.done()

    def succeeded(self) -> bool:
        """True if the value is there."""
        future = self._future
        return future.done() and not future.cancelled() and future.exception() is None

    def result(self) -> Any:
        """Wait for the value.

        Raises:
            PortalError: the value is being computed by the event loop that runs on this very thread.
            GraphError: the computation was cancelled.
        """
        if not self._future.done():
            if self.loop is _running_loop():
                raise PortalError(
                    f"the value of {self.call.op.name} is computed by the event loop that runs here, so reading it "
                    "would wait for ever; write `await variable` (or `(await variable).value`)"
                )
            if self.loop.is_closed():
                raise self._cancelled()
        try:
            with waiting():
                return self._future.result()
        except CancelledError:
            raise self._cancelled() from None
        except KeyboardInterrupt:
            self.cancel()
            raise
        except Exception as error:
            self.call.note(error)
            raise

    async def wait(self) -> Any:
        """Await the value on whatever loop runs here. Cancelling the wait does not cancel the computation.

        Raises:
            GraphError: the computation was cancelled.
        """
        if not self._future.done():
            here = asyncio.get_running_loop()
            waiter = here.create_future()

            def wake(_: Future[Any]) -> None:
                if not here.is_closed():
                    here.call_soon_threadsafe(lambda: waiter.done() or waiter.set_result(None))

            self._future.add_done_callback(wake)
            await waiter
        try:
            return self._future.result()
        except CancelledError:
            raise self._cancelled() from None
        except Exception as error:
            self.call.note(error)
            raise

    def cancel(self) -> None:
        """Ask the computation to stop; readers then get a GraphError."""
        self._future.cancel()

    def _cancelled(self) -> GraphError:
        error = GraphError(
            f"the value of {self.call.op.name} was cancelled (by `cancel()`, or because its session or event loop was "
            "closed); call the op again, and read values before the session is closed"
        )
        self.call.note(error)
        return error


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
