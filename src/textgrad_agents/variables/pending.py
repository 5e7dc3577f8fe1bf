"""Values that are still being computed.

An async op called from plain code starts at once and gives a Variable whose value is pending: reading ``.value`` waits
for it, ``await variable`` awaits it. Calls started one after the other therefore run concurrently.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

from textgrad_agents.errors import PortalError
from textgrad_agents.session import Session


class Pending:
    """The future value of one op call.

    Args:
        coroutine: computes the value.
        session: its portal runs the coroutine where no loop is given.
        loop: the running loop that the coroutine belongs to, or None for the portal.
    """

    __slots__ = ("_portal", "_work")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], session: Session, loop: asyncio.AbstractEventLoop | None):
        self._portal = session.portal
        self._work: Future[Any] | asyncio.Task[Any]
        if loop is None and self._portal.is_current_thread():
            loop = self._portal.loop
        self._work = self._portal.submit(coroutine) if loop is None else loop.create_task(coroutine)

    def done(self) -> bool:
        """True if the value or an exception is there."""
        return self._work.done()

    def result(self) -> Any:
        """Wait for the value.

        Raises:
            PortalError: the value is being computed by the thread that asks for it.
        """
        if isinstance(self._work, asyncio.Task):
            if not self._work.done() and self._work.get_loop() is _running_loop():
                raise PortalError(
                    "this value is computed by the event loop that runs here, so reading it would wait for ever; "
                    "write `await variable` (or `(await variable).value`) instead of `variable.value`"
                )
            if not self._work.done():
                return asyncio.run_coroutine_threadsafe(_join(self._work), self._work.get_loop()).result()
            return self._work.result()
        try:
            return self._work.result()
        except KeyboardInterrupt:
            self.cancel()
            raise

    async def wait(self) -> Any:
        """Await the value on whatever loop runs here."""
        if isinstance(self._work, Future):
            if self._work.done():
                return self._work.result()
            return await asyncio.shield(asyncio.wrap_future(self._work))
        if self._work.done():
            return self._work.result()
        if self._work.get_loop() is asyncio.get_running_loop():
            return await asyncio.shield(self._work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_join(self._work), self._work.get_loop()))

    def cancel(self) -> None:
        """Ask the computation to stop; readers then get CancelledError."""
        if isinstance(self._work, Future):
            self._work.cancel()
        else:
            self._work.get_loop().call_soon_threadsafe(self._work.cancel)


async def _join(task: asyncio.Task[Any]) -> Any:
    return await asyncio.shield(task)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
