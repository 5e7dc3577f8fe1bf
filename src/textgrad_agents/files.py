"""Files that are never half-written: write to a neighbour, sync, rename."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from textgrad_agents.errors import FileFormatError


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically; parent folders are made.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` (UTF-8) atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Replace `path` by `value` as JSON, atomically. Key order is kept; NaN and infinities are refused."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, *, what: str, max_bytes: int = 10_000_000) -> Any:
    """Read a JSON file of at most `max_bytes`.

    Args:
        path: the file.
        what: what the file is to a user ("policy file"), for the message.
        max_bytes: larger files are refused before they are read.

    Raises:
        FileFormatError: the file is missing, unreadable, too large, not UTF-8 or not JSON.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise FileFormatError(f"{what} {path} has {size} bytes; at most {max_bytes} are read")
        return json.loads(path.read_bytes(), object_pairs_hook=_no_duplicates)
    except FileNotFoundError:
        raise FileFormatError(f"{what} {path} does not exist") from None
    except OSError as error:
        raise FileFormatError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"{what} {path} is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg}); "
            "restore it from a copy or delete it"
        ) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise FileFormatError(f"{what} {path} is not a JSON text: {error}") from None
    except _DuplicateKey as error:
        raise FileFormatError(f"{what} {path} holds the key {error.args[0]!r} twice; keep one of them") from None


class _DuplicateKey(Exception):
    """A JSON object names one key twice."""


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _DuplicateKey(key)
        result[key] = value
    return result


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
