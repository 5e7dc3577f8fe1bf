"""Hint-conditioned self-distillation: the policy learns to act as it would have, had it been told what the critic said.

The teacher is the policy itself with the critic's words in its prompt, at the recorded tokens: SDPO (arXiv 2601.20802);
the student moves towards it by the divergence KL(π‖teacher), estimated at those tokens. A row that the critic said
nothing of has no teacher and no weight. The teacher is held for all updates of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.numeric.components import Algorithm, Component, Scores, Weights, ones, tokens
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Divergence from the teacher, mean over the tokens of rows that have one."""
    taught = scores.told()
    weights = tuple(one if learns else np.zeros_like(one) for one, learns in zip(ones(rows), taught, strict=True))
    denom = tokens([row for row, learns in zip(rows, taught, strict=True) if learns])
    return Weights(ref_kl=Component(weights, denom, scores.teacher()))


SELF_DISTILLATION = Algorithm("self_distillation", fill)
