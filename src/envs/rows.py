"""Rows of a data set: from a local file, from a folder of data sets, or from the hub.

The folder is named by the environment variable TEXTGRAD_AGENTS_DATA and holds a folder per data set, with a file per
split: ``$TEXTGRAD_AGENTS_DATA/gsm8k/train.jsonl``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from envs.extras import needs
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import parse_json, read_json

Row: TypeAlias = dict[str, Any]

FOLDER_VARIABLE = "TEXTGRAD_AGENTS_DATA"
SUFFIXES = (".jsonl", ".json", ".parquet")

_MOST_BYTES = 2**31


@dataclass(frozen=True, slots=True)
class DataSet:
    """A published data set.

    Attributes:
        name: what it is called, and its folder among local data sets.
        hub_name: its name on the hub.
        hub_config: which of its forms is meant.
    """

    name: str
    hub_name: str
    hub_config: str

    def rows(self, split: str, source: str | os.PathLike[str] | None = None) -> list[Row]:
        """The rows of a split.

        Args:
            split: the split, as the hub calls it.
            source: a file (``.jsonl``, ``.json`` with a list, ``.parquet``) that holds the split; a name on the hub;
                None for the folder of data sets, or the hub if it has no such file.

        Raises:
            ConfigError: what is needed to read it is not installed, or the hub does not give it.
            FileFormatError: the file is missing or damaged.
        """
        if source is None:
            source = self._local(split) or self.hub_name
        if isinstance(source, os.PathLike) or source.endswith(SUFFIXES):
            return list(read_rows(Path(source)))
        return self._from_hub(source, split)

    def _local(self, split: str) -> Path | None:
        folder = os.environ.get(FOLDER_VARIABLE)
        if not folder:
            return None
        files = [Path(folder, self.name, split + suffix) for suffix in SUFFIXES]
        return next((file for file in files if file.exists()), None)

    def _from_hub(self, hub_name: str, split: str) -> list[Row]:
        with needs("data", f"reading {hub_name} from the hub"):
            datasets: Any = importlib.import_module("datasets")
        config = self.hub_config if hub_name == self.hub_name else None
        try:
            return [dict(row) for row in datasets.load_dataset(hub_name, config, split=split)]
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(
                f"the hub does not give split {split!r} of {hub_name!r} ({reason}); pass a local file as source, or "
                f"set {FOLDER_VARIABLE} to a folder with {self.name}/{split}.jsonl"
            ) from None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file: JSON lines, a JSON list, or Parquet.

    Raises:
        ConfigError: what is needed to read it is not installed.
        FileFormatError: the file is missing, damaged, or holds something else than rows.
    """
    match path.suffix:
        case ".jsonl":
            rows = _lines(path)
        case ".json":
            rows = read_json(path, what="data file", max_bytes=_MOST_BYTES)
            if not isinstance(rows, list):
                raise FileFormatError(f"data file {path} must hold a list of rows, not a {type(rows).__name__}")
        case ".parquet":
            rows = _parquet(path)
        case _:
            raise FileFormatError(f"data file {path} must end with {', '.join(SUFFIXES)}")
    for number, row in enumerate(cast("Iterator[Any]", rows)):
        if not isinstance(row, dict):
            raise FileFormatError(f"data file {path}, row {number}: must be an object with fields, not {row!r:.60}")
        yield cast("Row", row)


def _lines(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _line(path, number, line)
    except OSError as error:
        raise FileFormatError(f"data file {path} cannot be read: {error.strerror or error}") from None


def _line(path: Path, number: int, line: bytes) -> Any:
    try:
        return parse_json(line)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"data file {path}, line {number} is no JSON that is read here: {error}") from None


def _parquet(path: Path) -> list[Any]:
    with needs("data", "reading Parquet files"):
        parquet: Any = importlib.import_module("pyarrow.parquet")
    try:
        return parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise FileFormatError(f"data file {path} is no Parquet file that can be read: {error}") from None
