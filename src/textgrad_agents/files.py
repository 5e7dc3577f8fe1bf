"""Files that are never half-written: write to a neighbour, sync, rename."""

from __future__ import annotations

import json
import math
import os
import shutil
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
    sync_folder(path.parent)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder of files to `target`, which does not exist yet: whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        shutil.copytree(source, unfinished, dirs_exist_ok=True)
        os.chmod(unfinished, 0o777 & ~_umask())
        os.replace(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def remove_unfinished(folder: Path, name: str = "*") -> None:
    """Remove what killed writers of `name` left in `folder` and below; nobody else may be writing there."""
    for unfinished in [*folder.rglob(f".{name}.*.part")]:
        if unfinished.is_dir():
            shutil.rmtree(unfinished)
        else:
            unfinished.unlink(missing_ok=True)  # it may have been in one of those folders


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
        return parse_json(path.read_bytes())
    except FileNotFoundError:
        raise FileFormatError(f"{what} {path} does not exist") from None
    except OSError as error:
        raise FileFormatError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    except json.JSONDecodeError as error:
        raise FileFormatError(
            f"{what} {path} is not valid JSON (line {error.lineno}, column {error.colno}: {error.msg}); "
            "restore it from a copy or delete it"
        ) from None
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{what} {path} is not a JSON text that is read here: {error}") from None


def parse_json(data: bytes) -> Any:
    """Parse JSON more strictly than `json.loads`.

    Raises:
        json.JSONDecodeError: `data` is not JSON.
        ValueError: it is not UTF-8, names a key twice, or holds NaN, an infinity, a number of thousands of digits or
            half a surrogate pair.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant, parse_float=_finite)
    if rb"\ud" in data.lower():  # an escape that may stand for half a character, which no file can hold
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"it holds the key {twice!r} twice; keep one of them")
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits} is too large")
    return number


def sync_folder(folder: Path) -> None:
    """Make a rename last through a power failure, where the system can (a folder cannot be opened on Windows)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
