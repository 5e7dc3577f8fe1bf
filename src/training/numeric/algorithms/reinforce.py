"""REINFORCE: the score function, weighted by the return.

Williams 1992, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", theorem 1;
the sum over a row's tokens is the row's log-probability, the mean is over rows. Importance weights are truncated.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.numeric.components import Algorithm, Component, Scores, Weights, advantages, bonus, ones, penalty
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Σ over tokens, mean over rows."""
    share, denom = ones(rows), float(max(1, len(rows)))
    return Weights(
        rl=Component(advantages(rows, share), denom),
        ref_kl=penalty(share, denom, config, scores),
        entropy=bonus(share, denom, config),
    )


REINFORCE = Algorithm("reinforce", fill, kind="score")
