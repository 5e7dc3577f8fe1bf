"""AWR: cross-entropy weighted by exp(advantage / β), which needs no log-probabilities of the sampler.

Peng et al. 2019 (arXiv 1910.00177), algorithm 1; weights are bounded by 20, as in its experiments.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.numeric.components import Algorithm, Component, Scores, Weights, ones, tokens
from training.numeric.rows import Row
from training.numeric_config import NumericConfig

BOUND = 20.0


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Weight min(exp(A/β), 20) on each token; critic credit scales A token by token."""
    weights = tuple(
        one * np.minimum(np.exp(np.minimum(_scaled(row) / config.beta, 10.0)), BOUND).astype(np.float32)
        for row, one in zip(rows, ones(rows), strict=True)
    )
    return Weights(ce=Component(weights, tokens(rows)))


def _scaled(row: Row) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    credit = np.ones(len(row.mask)) if row.weights is None else row.weights.astype(np.float64)
    return row.advantage * credit


AWR = Algorithm("awr", fill, baseline="group_mean", ratios=False)
