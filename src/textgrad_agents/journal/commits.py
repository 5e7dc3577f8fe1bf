"""Commits in groups: what arrives while a commit is under way goes into the next one.

A commit waits for the disk, so hundreds of calls that end at the same time would wait one after the other. Rows and
news of their commit cross between threads once per group: each crossing may cost a turn of the interpreter's lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class GroupCommit(Generic[T]):
    """Hands rows to `write` in the order in which they arrive, as many at once as there are.

    Args:
        write: commits rows, all or none. It is called on a thread of this object alone.
    """

    def __init__(self, write: Callable[[Sequence[T]], None]) -> None:
        self._write = write
        self._wake = threading.Condition()
        self._rows: list[T] = []
        self._waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    async def add(self, row: T) -> None:
        """Come back when the row is committed.

        Raises:
            Exception: what `write` raised; nothing of the group is committed.
        """
        loop = asyncio.get_running_loop()
        with self._wake:
            if self._closed:
                raise RuntimeError("no row can be committed after close()")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="textgrad-agents-journal", daemon=True)
                self._thread.start()
            committed = loop.create_future()
            self._rows.append(row)
            self._waiting.setdefault(loop, []).append(committed)
            self._wake.notify()
        await committed

    def close(self) -> None:
        """Commit what is left and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._rows or self._closed)
                rows, self._rows = self._rows, []
                waiting, self._waiting = self._waiting, {}
            if not rows:
                return
            problem: BaseException | None = None
            try:
                self._write(rows)
            except BaseException as error:
                problem = error
            for loop, committed in waiting.items():
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(_tell, committed, problem)


def _tell(waiting: Sequence[asyncio.Future[None]], problem: BaseException | None) -> None:
    for committed in waiting:
        if committed.done():  # nobody waits any more
            continue
        if problem is None:
            committed.set_result(None)
        else:
            committed.set_exception(problem)
