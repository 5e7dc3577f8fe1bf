"""EmbeddingOp: a text as a vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.memory import Embedding, HashingEmbedding
from textgrad_agents.ops.base import Op, straight_through
from textgrad_agents.variables.call import BackwardContext, CallID, Input
from textgrad_agents.variables.gradient import NumberTree


class EmbeddingOp(Op):
    """Embeds a text: ``op(string_input)`` gives a vector `(dimensions,)`.

    A text has no numeric gradient, so numbers end here as zero; words go straight through.

    Args:
        embedding: turns texts into vectors; None for counted words, which need no model.
    """

    def __init__(self, embedding: Embedding | None = None) -> None:
        self.embedding: Embedding = HashingEmbedding() if embedding is None else embedding

    async def forward(self, string_input: str) -> NDArray[np.float32]:
        """The vector."""
        (vector,) = await self.embedding.embed_documents([string_input])
        return np.asarray(vector, dtype=np.float32)

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role of the vector."""
        return f"embedding by {self.embedding.name}"

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words straight through; numbers are zero."""
        return straight_through(ctx, input_args, input_kwargs, 0.0)
