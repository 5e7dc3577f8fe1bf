"""Where built-in models are kept: one folder per recipe in the user's cache, whole or not there at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from filelock import FileLock, Timeout

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json, write_json
from training.numeric.tiny.recipe import Recipe

MANIFEST: Final = "made.json"
"""Written last: the recipe's key and the SHA-256 of each file."""

Make = Callable[[Path], None]


def cache_folder() -> Path:
    """The folder of the built-in models: below ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    above = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return above / "textgrad-agents" / "models"


def made(recipe: Recipe, cache: Path, make: Make, waiting: Callable[[], None]) -> Path:
    """The folder of a model, made first if it is not there.

    Of several processes that want the same model one makes it, and the others wait. What a killed one left behind is
    removed by the next.

    Args:
        recipe: which model.
        cache: the folder of all models.
        make: writes the files of the model into an empty folder.
        waiting: called if another process is making the model.

    Raises:
        ConfigError: the cache cannot be written.
        FileFormatError: the folder's files are not those that were written.
    """
    folder = cache / f"{recipe.name}-{recipe.key}"
    try:
        if not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            with _locked(cache / f".{folder.name}.lock", waiting):
                if not folder.exists():
                    _make(folder, recipe, make)
    except OSError as error:
        raise ConfigError(
            f"the cache folder {cache} cannot be written ({error.strerror or error}); name another folder as cache, or "
            "in the environment variable XDG_CACHE_HOME"
        ) from None
    return _checked(folder, recipe)


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Generator[None, None, None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make(folder: Path, recipe: Recipe, make: Make) -> None:
    """Make the model beside `folder`, and rename it when it is whole. The lock is held."""
    for unfinished in folder.parent.glob(f".{folder.name}.*.part"):
        shutil.rmtree(unfinished)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        make(beside)
        files = {path.name: _hash(path) for path in sorted(beside.iterdir())}
        write_json(beside / MANIFEST, {"recipe": recipe.key, "files": files})
        beside.chmod(0o755)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _checked(folder: Path, recipe: Recipe) -> Path:
    way_out = f"remove the folder {folder} to have the model made anew"
    manifest: Any = read_json(folder / MANIFEST, what="list of the files of a built-in model")
    written = cast("dict[str, Any]", manifest) if isinstance(manifest, dict) else {}
    files = written.get("files")
    if written.get("recipe") != recipe.key or not isinstance(files, dict):
        raise FileFormatError(f"{folder / MANIFEST} is not the list of this model's files; {way_out}")
    for name, digest in cast("dict[str, str]", files).items():
        path = folder / name
        if not path.is_file() or _hash(path) != digest:
            raise FileFormatError(f"{path} is missing or not as it was written; {way_out}")
    return folder


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        digest = sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
