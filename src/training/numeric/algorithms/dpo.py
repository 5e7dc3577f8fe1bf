"""DPO: in each group the best row is preferred to the worst.

Rafailov et al. 2023 (arXiv 2305.18290), equation 7: −log σ(m), where the margin m is β times the log-ratio π/π_ref of
the preferred row minus that of the other. Its gradient (section 4) is that of a cross-entropy with weights β σ(−m) on
the preferred row and −β σ(−m) on the other, held constant; so the weights depend on the policy as it is and are filled
anew for each update.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from training.numeric.components import Algorithm, Component, Scores, Weights
from training.numeric.rows import Group, Row
from training.numeric_config import NumericConfig


def pairs(rows: Sequence[Row]) -> tuple[tuple[int, int], ...]:
    """Best and worst row of each group, by index; the first among equals. Groups with equal returns have none."""
    groups: dict[Group, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.group, []).append(index)
    found = [
        (max(members, key=lambda one: rows[one].reward), min(members, key=lambda one: rows[one].reward))
        for members in groups.values()
    ]
    return tuple((best, worst) for best, worst in found if rows[best].reward > rows[worst].reward)


def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
    """Signed weights of each pair, mean over pairs."""
    weights = [np.zeros(len(row.mask), np.float32) for row in rows]
    paired = pairs(rows)
    if paired:
        current, reference = scores.current(), scores.reference()
        gaps = [
            float(np.sum((now.astype(np.float64) - was)[row.mask]))
            for row, now, was in zip(rows, current, reference, strict=True)
        ]
        for best, worst in paired:
            push = config.beta * _sigmoid(config.beta * (gaps[worst] - gaps[best]))
            weights[best] += np.float32(push) * rows[best].mask
            weights[worst] -= np.float32(push) * rows[worst].mask
    return Weights(ce=Component(tuple(weights), float(max(1, len(paired)))))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


DPO = Algorithm("dpo", fill, refill=True, ratios=False)
