"""Embeddings: texts as vectors. The built-in one counts words; it needs no model and is the same on every machine."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.errors import ConfigError

_WORD = re.compile(r"\w+")
_LETTERS = 3


class Embedding(Protocol):
    """Anything that turns texts into vectors of one size."""

    @property
    def name(self) -> str:
        """The embedding's name, for messages."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> Sequence[Sequence[float] | NDArray[np.float32]]:
        """One vector per text."""
        ...


class HashingEmbedding:
    """Words, pairs of words and triples of letters, each counted in the place (and with the sign) that its hash says.

    Feature hashing (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009): texts that
    share words are near each other, and what a word means is not known. Vectors have length 1; that of a text without
    words is zero.

    Args:
        dimensions: size of the vectors.

    Raises:
        ConfigError: `dimensions` is less than 1.
    """

    name = "hashing"

    def __init__(self, dimensions: int = 512) -> None:
        if dimensions < 1:
            raise ConfigError(f"an embedding needs at least 1 dimension, not {dimensions}")
        self.dimensions = dimensions

    async def embed_documents(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """One vector `(dimensions,)` per text."""
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for feature, count in Counter(_features(text)).items():
            digest = int.from_bytes(blake2b(feature.encode(errors="replace"), digest_size=8).digest(), "big")
            vector[(digest >> 1) % self.dimensions] += (1.0 if digest & 1 else -1.0) * (1.0 + math.log(count))
        length = float(np.linalg.norm(vector))
        return vector / np.float32(length) if length else vector


def _features(text: str) -> Iterator[str]:
    words = _WORD.findall(text.lower())
    for before, word in zip(["", *words], words, strict=False):
        yield word
        if before:
            yield f"{before} {word}"
        framed = f"<{word}>"
        for start in range(len(framed) - _LETTERS + 1):
            yield framed[start : start + _LETTERS] + "·"
