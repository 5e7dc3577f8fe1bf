"""Memory models: memories in an index that is searched by vector."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.errors import ConfigError
from textgrad_agents.memory.embedding import Embedding, HashingEmbedding
from textgrad_agents.memory.memory import Memory

Vector = NDArray[np.float32]


class MemoryModel(ABC):
    """Base of all memory models.

    Args:
        embedding_model: turns queries into vectors; None for counted words, which need no model.

    Attributes:
        memories: the memories by their key in the index.
    """

    DEFAULT_MEMORY_MATCHES: ClassVar[int] = 3

    def __init__(self, embedding_model: Embedding | None = None) -> None:
        self.embedding_model: Embedding = HashingEmbedding() if embedding_model is None else embedding_model
        self.memories: dict[int, Memory] = {}
        self._lock = asyncio.Lock()

    async def add_memory(self, memory: Memory) -> None:
        """Store a memory.

        Raises:
            ConfigError: its vector has another size than those in the index.
        """
        vector = await self._embedded(memory.query)
        async with self._lock:
            self.memories[await self._add_to_index(vector)] = memory

    async def get_memory(self, query: str, matches: int = DEFAULT_MEMORY_MATCHES) -> list[Memory]:
        """The memories nearest to a query, the nearest first; at most `matches`.

        Raises:
            ConfigError: the query's vector has another size than those in the index.
        """
        if not self.memories or matches < 1:
            return []
        vector = await self._embedded(query)
        async with self._lock:
            return [self.memories[key] for key in await self._search_index(vector, matches)]

    def model_dump(self) -> dict[str, Any]:
        """The memories in the order in which they came, and the embedding's name; JSON-like. The index is not in it."""
        memories = [self.memories[key].model_dump(mode="json") for key in sorted(self.memories)]
        return {"embedding": self.embedding_model.name, "memories": memories}

    async def model_load(self, data: Mapping[str, Any]) -> None:
        """Add the memories of a `model_dump`, embedded anew.

        Raises:
            ConfigError: it is no such dump.
        """
        try:
            memories = [Memory.model_validate(one) for one in data["memories"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"this is no dump of a memory ({error}); pass what model_dump() gave") from None
        for one in memories:
            await self.add_memory(one)

    @asynccontextmanager
    async def safe_access_index(self) -> AsyncGenerator[Any]:
        """The index, which nothing else changes while the block runs."""
        async with self._lock:
            yield self._index()

    async def _embedded(self, text: str) -> Vector:
        (vector,) = await self.embedding_model.embed_documents([text])
        return np.asarray(vector, dtype=np.float32)

    @abstractmethod
    def _index(self) -> Any:
        """What `safe_access_index` gives; it has a length."""

    @abstractmethod
    async def _add_to_index(self, embedding: Vector) -> int:
        """Store a vector `(dimensions,)`; gives its key."""

    @abstractmethod
    async def _search_index(self, embedding: Vector, matches: int) -> list[int]:
        """Keys of the nearest vectors, the nearest first."""

    def __len__(self) -> int:
        return len(self.memories)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} memories, {self.embedding_model.name})"


class VectorIndex:
    """Vectors of one size in one array, which doubles when it is full; searched by the cosine, exactly."""

    def __init__(self) -> None:
        self._rows: Vector = np.zeros((0, 0), dtype=np.float32)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, vector: Vector) -> int:
        """Store a vector `(dimensions,)`; gives its key, from 0.

        Raises:
            ConfigError: it has another size than those that are there.
        """
        self._check(vector)
        if self._length == len(self._rows):
            rows = np.zeros((max(16, 2 * self._length), len(vector)), dtype=np.float32)
            if self._length:
                rows[: self._length] = self._rows
            self._rows = rows
        self._rows[self._length] = _of_length_one(vector)
        self._length += 1
        return self._length - 1

    def search(self, vector: Vector, matches: int) -> list[int]:
        """Keys of the nearest vectors, the nearest first, the older of equally near ones first.

        Raises:
            ConfigError: it has another size than those that are there.
        """
        self._check(vector)
        nearness = self._rows[: self._length] @ _of_length_one(vector)
        return [int(key) for key in np.argsort(-nearness, kind="stable")[:matches]]

    def _check(self, vector: Vector) -> None:
        if vector.ndim != 1 or (self._length and len(vector) != self._rows.shape[1]):
            expected = f"of {self._rows.shape[1]} numbers" if self._length else "with one axis"
            raise ConfigError(
                f"the memory holds vectors {expected}, and the embedding gave one of the shape {vector.shape}; use the "
                "embedding that the memory was filled with, or fill a new one"
            )


class VectorMemoryModel(MemoryModel):
    """Memories in a `VectorIndex`."""

    def __init__(self, embedding_model: Embedding | None = None) -> None:
        super().__init__(embedding_model)
        self._vectors = VectorIndex()

    def _index(self) -> VectorIndex:
        return self._vectors

    async def _add_to_index(self, embedding: Vector) -> int:
        return self._vectors.add(embedding)

    async def _search_index(self, embedding: Vector, matches: int) -> list[int]:
        return self._vectors.search(embedding, matches)


UIndexMemoryModel = VectorMemoryModel
"""The name that LDP's users know."""


def _of_length_one(vector: Vector) -> Vector:
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector
