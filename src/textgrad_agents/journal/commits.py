"""Commits in groups: what arrives while a commit is under way goes into the next one.

A commit waits for the disk, so hundreds of calls that end at the same time would wait one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
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
        self._committed = _promise()
        self._thread: threading.Thread | None = None
        self._closed = False

    def add(self, row: T) -> Future[None]:
        """A future that is done when the row is committed; if that fails, it has the error."""
        with self._wake:
            if self._closed:
                raise RuntimeError("no row can be committed after close()")
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="textgrad-agents-journal", daemon=True)
                self._thread.start()
            self._rows.append(row)
            self._wake.notify()
            return self._committed

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
                committed, self._committed = self._committed, _promise()
            if not rows:
                return
            try:
                self._write(rows)
            except BaseException as error:
                committed.set_exception(error)
            else:
                committed.set_result(None)


def _promise() -> Future[None]:
    """A future of many waiters: one that is cancelled takes it from none of the others."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future
