"""EmbeddingOp: vectors forward, words back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textgrad_agents.memory import HashingEmbedding
from textgrad_agents.ops import RewardLoss
from textgrad_agents.ops.embedding import EmbeddingOp
from textgrad_agents.ops.squared_error import MSELossOp
from textgrad_agents.variables import Variable


class Lengths:
    """Texts by their length."""

    name = "lengths"

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float(len(text)), 1.0] for text in texts]


def leaf(text: str) -> Variable[str]:
    return Variable(text, role_description="input", name="text")


def test_vectors_are_those_of_the_embedding() -> None:
    result = EmbeddingOp(Lengths())("four")
    assert result.value.tolist() == [4.0, 1.0]
    assert (result.value.dtype, result.role_description) == (np.float32, "embedding by lengths")
    assert EmbeddingOp(HashingEmbedding(64))("four").value.shape == (64,)


def test_numbers_end_at_the_text_and_words_go_through() -> None:
    text = leaf("four")
    loss = MSELossOp()(EmbeddingOp(Lengths())(text), np.zeros(2, np.float32))
    assert loss.compute_grads() == {"text": 0.0}
    RewardLoss()(EmbeddingOp(Lengths())(text), 0.0, "say more").backward()
    assert text.gradient_text() == "say more"
