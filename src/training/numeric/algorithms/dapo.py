"""DAPO-style: every token counts the same, and the clip range is wider above than below.

Yu et al. 2025 (arXiv 2503.14476), equation 8. Groups whose returns are all equal have no gradient and are not computed;
unlike in the paper no others are sampled in their place, and the denominator counts their tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from training.numeric.components import Algorithm, Component, Scores, Weights, advantages, bonus, ones, penalty, tokens
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Mean over all tokens of the step."""
    share, denom = ones(rows), tokens(rows)
    return Weights(
        rl=Component(advantages(rows, share), denom),
        ref_kl=penalty(share, denom, config, scores),
        entropy=bonus(share, denom, config),
    )


DAPO = Algorithm("dapo", fill, baseline="grpo_std")
