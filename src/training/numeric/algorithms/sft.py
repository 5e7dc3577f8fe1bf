"""Supervised fine-tuning on every recorded action: mean cross-entropy over tokens, whatever the returns."""

from __future__ import annotations

from collections.abc import Sequence

from training.numeric.components import Algorithm, Component, Scores, Weights, ones, tokens
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Weight 1 on each token; critic credit, where there is any, says which tokens to imitate."""
    share = ones(rows)
    credited = tuple(one if row.weights is None else one * row.weights for row, one in zip(rows, share, strict=True))
    return Weights(ce=Component(credited, tokens(rows)))


SFT = Algorithm("sft", fill, ratios=False)
