"""`FileLogger`: events as lines of JSON at the end of a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from textgrad_agents.errors import ConfigError
from textgrad_agents.events import Event


class FileLogger:
    """Appends events to a file; each is on its way to the disk when `log` returns. May be used from several threads.

    Args:
        path: the file; it and its folder are made by the first event.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._handle: int | None = None

    def log(self, event: Event) -> None:
        """Append one event.

        Raises:
            ConfigError: the file cannot be written.
        """
        data = event.to_line().encode()
        with self._lock:
            try:
                if self._handle is None:
                    self._handle = self._open()
                while data:
                    data = data[os.write(self._handle, data) :]
            except OSError as error:
                raise ConfigError(f"event file {self.path} cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """Close the file. A later event opens it again."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _open(self) -> int:
        """Open for appending, without the line that was cut off when the last writer was stopped."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            os.ftruncate(handle, _end_of_last_line(handle, size))
        return handle


def _end_of_last_line(handle: int, size: int) -> int:
    """Length of the file without the unfinished line at its end."""
    block = 65536
    end = size
    while end > 0:
        start = max(0, end - block)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
