"""SQLite files that threads and processes share.

A transaction takes the write lock at its beginning, so what it reads is still true when it writes. On a local disk the
write-ahead log is used; on a network file system, where that log loses data, the older journal is.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from textgrad_agents.errors import FileFormatError

BUSY_SECONDS = 30.0
_NETWORK = {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3"}


class Database:
    """A SQLite file, or a database in memory.

    Usable from several threads; a forked process opens the file anew. Copies made by pickle open the same file.

    Args:
        path: the file, made with its folders if it is not there; None for memory.
        schema: statements that make the tables; they may run again.
        version: of the schema.
        what: what the file is to a user, for messages.
        synchronous: NORMAL: what was committed survives the end of the process; FULL: the loss of power, too.
    """

    def __init__(
        self,
        path: Path | None,
        schema: str,
        *,
        version: int = 1,
        what: str = "database",
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
    ) -> None:
        self.path = path
        self._schema = schema
        self._version = version
        self._what = what
        self._synchronous = synchronous
        self._lock = threading.RLock()
        self._process = 0
        self._connection: sqlite3.Connection | None = None
        with self._translated():
            self._connected()

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.path, self._schema, self._version, self._what, self._synchronous)

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """What happens inside is committed as a whole at the end, or not at all if an error leaves the block.

        Raises:
            FileFormatError: the file is damaged, cannot be written, or stays locked.
        """
        with self._lock, self._translated():
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def read(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """The rows of a query that changes nothing; it waits for no writer.

        Raises:
            FileFormatError: the file is damaged.
        """
        with self._lock, self._translated():
            return self._connected().execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file; using the database again opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():
            self._process = os.getpid()  # what a parent process opened is left alone
            self._connection = self._open()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, self._version):
            raise FileFormatError(
                f"{self._what} {self.path} has version {found}; this program reads version {self._version}: use the "
                "program that wrote it, or another file"
            )
        if self.path is not None and not is_on_network(self.path):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.executescript(f"BEGIN IMMEDIATE; {self._schema}; PRAGMA user_version = {self._version}; COMMIT;")

    @contextmanager
    def _translated(self) -> Generator[None, None, None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            reason = str(error)
        else:
            return
        raise FileFormatError(
            f"{self._what} {self.path or 'in memory'} cannot be used: {reason}; if nobody else has it open, restore it "
            "from a copy or delete it"
        )


def is_on_network(path: Path) -> bool:
    """True if `path` lies on a network file system, as far as this system tells."""
    return file_system(path) in _NETWORK


def file_system(path: Path) -> str:
    """Kind of the file system that `path` lies on (``ext4``, ``nfs4``); "" where this system does not tell."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    place = path.resolve()
    best, kind = -1, ""
    for line in mounts.read_text(errors="replace").splitlines():
        _, folder, name, *_ = line.split()
        folder = folder.replace("\\040", " ")
        if place.is_relative_to(folder) and len(folder) >= best:
            best, kind = len(folder), name
    return kind


def _again(path: Path | None, schema: str, version: int, what: str, synchronous: Literal["NORMAL", "FULL"]) -> Database:
    return Database(path, schema, version=version, what=what, synchronous=synchronous)
