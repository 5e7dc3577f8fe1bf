"""Dr. GRPO: GRPO without its two biases, the division by each row's length and by the group's deviation.

Liu et al. 2025, "Understanding R1-Zero-like training" (arXiv 2503.20783), section 3.2: the denominator is constant.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.numeric.components import Algorithm, Component, Scores, Weights, advantages, bonus, ones, penalty
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Sum over tokens, divided by the number of rows times the longest action allowed."""
    share, denom = ones(rows), float(max(1, len(rows)) * config.max_tokens)
    return Weights(
        rl=Component(advantages(rows, share), denom),
        ref_kl=penalty(share, denom, config, scores),
        entropy=bonus(share, denom, config),
    )


DR_GRPO = Algorithm("dr_grpo", fill, baseline="group_mean")
