"""The token store: rows in columns, in files that are only ever added.

Every append is a shard, a safetensors file that holds the rows' arrays end to end and a table of their texts, and whose
name ends with its hash. `index.json` lists the shards in order; a shard counts once it is listed there, so an append
that breaks off leaves nothing behind that is read. Appending the same rows again gives the same ids.
"""

from __future__ import annotations

import itertools
import json
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json, write_bytes, write_json
from textgrad_agents.seeds import text_hash
from textgrad_agents.validation import explain
from training.numeric.columns import from_columns, to_columns
from training.numeric.rows import Row

SCHEMA_VERSION = 1

_OPEN_SHARDS = 8
_MAX_BYTES = 1_000_000_000
_WAY_OUT = "restore it from a copy, or delete the folder and the rows are read from the episodes again"


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as what it is made of; it is read again with `TokenStore.rows`.

    Attributes:
        ids: rows, in the order of the batch.
        prompt_version: the prompts under which the batch is used.
        credit: name of the credit that weighs its tokens, "" for none.
        hash: of the rows (by the hashes of their shards), the prompts and the credit.
    """

    ids: tuple[int, ...]
    prompt_version: str
    credit: str
    hash: str


class _Shard(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int = Field(ge=1)


class _Index(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int
    shards: tuple[_Shard, ...] = ()


class TokenStore:
    """Rows in a folder.

    Several processes may append to one folder; what others added is seen from the next append on.

    Args:
        folder: it is made with the first append.

    Raises:
        FileFormatError: the folder's index is damaged or of a later version.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._open: OrderedDict[int, tuple[Row, ...]] = OrderedDict()
        self._refresh()

    def __len__(self) -> int:
        """How many rows there are."""
        return self._ends[-1]

    def append(self, rows: Sequence[Row]) -> range:
        """Add rows; they are on the disk when this returns.

        Returns:
            Their ids.

        Raises:
            ConfigError: the folder cannot be written.
            FileFormatError: the index has been damaged meanwhile; nothing is written then.
        """
        if not rows:
            return range(0)
        data = _save(rows)
        digest = sha256(data).hexdigest()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock"):
                self._refresh()
                for number, shard in enumerate(self._shards):
                    if shard.sha256 == digest:
                        return range(self._ends[number], self._ends[number + 1])
                write_bytes(self._path(len(self._shards), digest), data)
                shard = _Shard(sha256=digest, rows=len(rows))
                index = _Index(schema_version=SCHEMA_VERSION, shards=(*self._shards, shard))
                write_json(self._index_path, index.model_dump(mode="json"), indent=None)
                self._take(index)
        except OSError as error:
            raise ConfigError(f"token store {self.folder} cannot be written: {error.strerror or error}") from None
        return range(self._ends[-2], self._ends[-1])

    def rows(self, ids: Sequence[int] | None = None) -> tuple[Row, ...]:
        """Rows by id, in the order asked for; None for all.

        Raises:
            ConfigError: there is no such row.
            FileFormatError: a shard is missing, cut or changed.
        """
        if ids is None:
            return tuple(row for number in range(len(self._shards)) for row in self._load(number))
        return tuple(self._load(number)[place] for number, place in map(self._find, ids))

    def view(self, ids: Sequence[int], *, prompt_version: str = "", credit: str = "") -> BatchView:
        """A batch of stored rows.

        Raises:
            ConfigError: there is no such row.
        """
        content = [(self._shards[number].sha256, place) for number, place in map(self._find, ids)]
        return BatchView(tuple(ids), prompt_version, credit, text_hash(json.dumps([content, prompt_version, credit])))

    @property
    def _index_path(self) -> Path:
        return self.folder / "index.json"

    def _path(self, number: int, digest: str) -> Path:
        return self.folder / f"shard-{number:06}-{digest[:16]}.safetensors"

    def _refresh(self) -> None:
        """Read the index."""
        if not self._index_path.exists():
            self._take(_Index(schema_version=SCHEMA_VERSION))
            return
        fields: Any = read_json(self._index_path, what="index of the token store", max_bytes=_MAX_BYTES)
        try:
            index = _Index.model_validate(fields)
        except ValidationError as error:
            raise FileFormatError(f"token store {self._index_path}: {explain(error)}; {_WAY_OUT}") from None
        if index.schema_version != SCHEMA_VERSION:
            raise FileFormatError(
                f"token store {self._index_path} has schema_version {index.schema_version}; this version reads "
                f"{SCHEMA_VERSION}"
            )
        self._take(index)

    def _take(self, index: _Index) -> None:
        self._shards = index.shards
        self._ends = [0, *itertools.accumulate(shard.rows for shard in index.shards)]

    def _find(self, row: int) -> tuple[int, int]:
        """Shard of a row and its place there."""
        if not 0 <= row < len(self):
            raise ConfigError(f"token store {self.folder} has the rows 0 to {len(self) - 1}, not {row}")
        number = bisect_right(self._ends, row) - 1
        return number, row - self._ends[number]

    def _load(self, number: int) -> tuple[Row, ...]:
        """The rows of a shard; those of a few shards are kept."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        shard = self._shards[number]
        path = self._path(number, shard.sha256)
        try:
            data = path.read_bytes()
            if sha256(data).hexdigest() != shard.sha256:
                raise ValueError(f"its {len(data)} bytes are not those whose hash is in index.json")
            rows = _load(data)
            if len(rows) != shard.rows:
                raise ValueError(f"it holds {len(rows)} rows, index.json says {shard.rows}")
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise FileFormatError(f"shard {path} of the token store cannot be read: {error}; {_WAY_OUT}") from None
        self._open[number] = rows
        if len(self._open) > _OPEN_SHARDS:
            self._open.popitem(last=False)
        return rows


def _save(rows: Sequence[Row]) -> bytes:
    from safetensors.numpy import save

    return save(to_columns(rows))


def _load(data: bytes) -> tuple[Row, ...]:
    from safetensors.numpy import load

    return from_columns(load(data))
