"""Memories are found by nearness; the built-in embedding is the same everywhere."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError
from textgrad_agents.memory import HashingEmbedding, Memory, MemoryModel, UIndexMemoryModel, VectorIndex


class Lengths:
    """Texts by their length: an embedding of another size."""

    name = "lengths"

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]


def embedded(text: str, dimensions: int = 512) -> np.ndarray:
    return asyncio.run(HashingEmbedding(dimensions).embed_documents([text]))[0]


@given(st.text())
def test_vectors_have_length_one_or_zero(text: str) -> None:
    length = float(np.linalg.norm(embedded(text)))
    assert length == pytest.approx(1.0, abs=1e-5) or length == 0.0


def test_texts_that_share_words_are_near() -> None:
    cat, cats, bill = (embedded(text) for text in ("The cat sat down.", "A cat sits there", "Pay the invoice today"))
    assert cat @ cats > cat @ bill
    assert cat @ cat == pytest.approx(1.0, abs=1e-5)


def test_the_embedding_is_the_same_in_every_process() -> None:
    program = (
        "import asyncio; from textgrad_agents.memory import HashingEmbedding as H; "
        "print(asyncio.run(H(64).embed_documents(['a cat sat']))[0].tobytes().hex())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == embedded("a cat sat", 64).tobytes().hex()


def test_memories_are_found_by_their_query() -> None:
    async def run() -> None:
        model = UIndexMemoryModel()
        async with model.safe_access_index() as index:
            assert len(index) == 0
        assert await model.get_memory("anything") == []
        for word in ("apples", "pears", "plums"):
            await model.add_memory(Memory(query=f"how to peel {word}", output=f"peel {word}", value=1.0))
        found = await model.get_memory("peel pears", matches=2)
        assert found[0].output == "peel pears"
        assert len(found) == 2
        assert len(model) == 3
        async with model.safe_access_index() as index:
            assert len(index) == 3

    asyncio.run(run())


@given(st.integers(1, 60), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_the_index_finds_what_a_full_comparison_finds(count: int, matches: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    index = VectorIndex()
    assert [index.add(vector) for vector in vectors] == list(range(count))
    query = vectors[seed % count]
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
    nearness = (vectors @ query) / lengths
    found = index.search(query, matches)
    assert len(found) == min(count, matches)
    assert nearness[found].min() >= np.sort(nearness)[::-1][len(found) - 1] - 1e-4


def test_another_size_of_vectors_is_one_clear_error() -> None:
    async def run() -> None:
        model = UIndexMemoryModel()
        await model.add_memory(Memory(query="a", output="b", value=0.0))
        model.embedding_model = Lengths()
        with pytest.raises(ConfigError, match=r"holds vectors of 512 numbers.*shape \(2,\).*embedding that the memory"):
            await model.get_memory("a")
        with pytest.raises(ConfigError, match="holds vectors"):
            await model.add_memory(Memory(query="c", output="d", value=0.0))
        assert len(model) == 1

    asyncio.run(run())


def test_query_and_input_stand_for_each_other() -> None:
    assert Memory(query="q", output="o", value=1.0).input == "q"
    assert Memory(input="i", output="o", value=1.0).query == "i"  # type: ignore[call-arg]
    assert str(Memory(query="q", input="i", output="o", value="fine")) == "Input: i\nOutput: o\nValue: fine"
    assert MemoryModel.DEFAULT_MEMORY_MATCHES == 3


def test_an_embedding_has_dimensions() -> None:
    with pytest.raises(ConfigError, match="at least 1 dimension, not 0"):
        HashingEmbedding(0)


def test_a_memory_is_written_and_read_again() -> None:
    async def run() -> None:
        model, other = UIndexMemoryModel(), UIndexMemoryModel()
        for number, word in enumerate(("apples", "pears", "plums")):
            await model.add_memory(Memory(query=f"peel {word}", output=word, value=number, metadata={"done": True}))
        data = json.loads(json.dumps(model.model_dump()))
        assert data["embedding"] == "hashing"
        await other.model_load(data)
        assert other.memories == model.memories
        assert (await other.get_memory("pears", matches=1))[0].output == "pears"
        for damaged in ({}, {"memories": [{"query": "x"}]}, {"memories": None}):
            with pytest.raises(ConfigError, match="no dump of a memory"):
                await other.model_load(damaged)
        assert len(other) == 3

    asyncio.run(run())
