"""The lock of a run's folder: one writer at a time."""

from __future__ import annotations

import contextlib
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json, write_json

LOCK, HOLDER = ".lock", ".holder.json"


class RunLock:
    """Keeps other writers out of a folder, and leaves a note for them who holds it. A dead holder's lock is free.

    Raises:
        ConfigError: another process, or another run of this one, holds the folder.
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock, Timeout

        self._note = path / HOLDER
        self._lock = FileLock(path / LOCK, timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise ConfigError(
                f"experiment {path.name} is in use by {self._holder()}; wait for it, or choose another --exp_name"
            ) from None
        write_json(self._note, {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})

    def release(self) -> None:
        """Let others write."""
        with contextlib.suppress(OSError):
            self._note.unlink()
        self._lock.release()

    def _holder(self) -> str:
        try:
            holder = read_json(self._note, what="note of who writes")
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
        except (FileFormatError, KeyError, TypeError):
            return "another process"


def now() -> str:
    """This second in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
