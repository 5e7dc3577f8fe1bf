"""GRPO: advantages relative to the group, clipped ratios, mean over each row and then over rows.

Shao et al. 2024, DeepSeekMath (arXiv 2402.03300), equation 3, with the advantage (r − mean)/std of section 4.1.2.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.numeric.components import Algorithm, Component, Scores, Weights, advantages, bonus, penalty, row_means
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Mean over tokens of a row, mean over rows."""
    share, denom = row_means(rows), float(max(1, len(rows)))
    return Weights(
        rl=Component(advantages(rows, share), denom),
        ref_kl=penalty(share, denom, config, scores),
        entropy=bonus(share, denom, config),
    )


GRPO = Algorithm("grpo", fill, baseline="grpo_std")
