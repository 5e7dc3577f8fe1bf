"""Datasets and batches."""

from __future__ import annotations

import csv
import json
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np

from textgrad_agents.errors import ConfigError, FileFormatError


class Dataset(ABC):
    """Rows by number."""

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """One row."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    def __iter__(self) -> Iterator[Any]:
        """All rows in order."""
        return (self[index] for index in range(len(self)))


class DataLoader:
    """Batches of a dataset, one epoch per iteration.

    Args:
        data: the rows.
        batch_size: rows of a batch; the last one may have fewer.
        shuffle: a new order for each epoch.
        seed: of the orders.
    """

    def __init__(self, data: Any, batch_size: int = 32, shuffle: bool = True, seed: int = 0) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.indices = list(range(len(data)))
        self.current_index = 0
        self._random = random.Random(seed)

    def __iter__(self) -> DataLoader:
        """Start an epoch."""
        if self.shuffle:
            self._random.shuffle(self.indices)
        self.current_index = 0
        return self

    def __next__(self) -> Any:
        """The next batch: for rows that are tuples, a tuple of columns."""
        if self.current_index >= len(self.indices):
            raise StopIteration
        places = self.indices[self.current_index : self.current_index + self.batch_size]
        self.current_index += self.batch_size
        rows = [self.data[place] for place in places]
        return tuple(zip(*rows, strict=True)) if isinstance(rows[0], tuple) else np.array(rows)


def data_root(root: str | Path | None) -> Path:
    """Where the files of datasets are: `root`, TEXTGRAD_DATA, or TextGrad's folder in the user's cache."""
    named = root or os.environ.get("TEXTGRAD_DATA")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "textgrad"


def split_name(split: str, allowed: tuple[str, ...]) -> str:
    """`split`, if it is one of `allowed`.

    Raises:
        ConfigError: it is not.
    """
    if split not in allowed:
        raise ConfigError(f"split must be one of {', '.join(allowed)}, got {split!r}")
    return split


def read_rows(path: Path, source: str, columns: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Rows of a .csv, .jsonl or .json file.

    Args:
        path: the file.
        source: where it can be had.
        columns: names of the columns of a CSV file without a header.

    Raises:
        FileFormatError: there is no such file, or it cannot be read.
    """
    if not path.exists():
        raise FileFormatError(
            f"{path} is missing; get it from {source} and put it there (nothing is downloaded for you)"
        )
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                return [dict(row) for row in csv.DictReader(file, fieldnames=columns or None)]
            if path.suffix == ".jsonl":
                return [json.loads(line) for line in file if line.strip()]
            return _records(json.load(file))
    except (ValueError, csv.Error) as error:
        raise FileFormatError(f"{path} cannot be read: {error}; get it again from {source}") from None


def _records(content: Any) -> list[dict[str, Any]]:
    """Rows of a JSON file: a list, a list under ``examples``, or a mapping from ids to rows."""
    if isinstance(content, dict):
        table = cast("dict[str, Any]", content)
        content = table.get("examples") or [{"pid": key, **row} for key, row in table.items()]
    return cast("list[dict[str, Any]]", content)
