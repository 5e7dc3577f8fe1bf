"""Imitating the better rows: rejection sampling and expert iteration.

Rejection sampling keeps the best of each group: RAFT (Dong et al. 2023, arXiv 2304.06767), algorithm 1. Expert
iteration keeps successes, at most `keep` per group so that easy tasks do not drown hard ones: ReST-EM (Singh et al.
2023, arXiv 2312.06585), algorithm 1, after Anthony et al. 2017 (arXiv 1705.08439). Both are the mean cross-entropy of
what is kept. A group whose returns are all equal has no better row and teaches nothing to rejection sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from training.numeric.components import Algorithm, Component, Fill, Scores, Weights, tokens
from training.numeric.rows import Group, Row
from training.numeric_config import NumericConfig


def _best(rewards: Sequence[float], config: NumericConfig) -> list[int]:
    ranked = sorted(range(len(rewards)), key=lambda index: -rewards[index])
    return [index for index in ranked[: config.keep] if rewards[index] > min(rewards)]


def _successes(rewards: Sequence[float], config: NumericConfig) -> list[int]:
    return [index for index, reward in enumerate(rewards) if reward >= config.threshold][: config.keep]


def _imitate(choose: Callable[[Sequence[float], NumericConfig], list[int]]) -> Fill:
    def fill(rows: Sequence[Row], config: NumericConfig, scores: Scores) -> Weights:
        groups: dict[Group, list[int]] = {}
        for index, row in enumerate(rows):
            groups.setdefault(row.group, []).append(index)
        kept = {
            members[one] for members in groups.values() for one in choose([rows[i].reward for i in members], config)
        }
        weights = tuple(
            row.mask.astype(np.float32) if index in kept else np.zeros(len(row.mask), np.float32)
            for index, row in enumerate(rows)
        )
        return Weights(ce=Component(weights, tokens([rows[index] for index in sorted(kept)])))

    return fill


REJECTION_SAMPLING = Algorithm("rejection_sampling", _imitate(_best), ratios=False)
EXPERT_ITERATION = Algorithm("expert_iteration", _imitate(_successes), ratios=False)
