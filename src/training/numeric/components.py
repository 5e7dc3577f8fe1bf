"""Four components of one surrogate, each with its own weights and its own denominator.

An algorithm is the arrays it fills in: `rl` weighs the policy gradient (advantage times share in the mean), `ce` the
cross-entropy of the recorded tokens, `ref_kl` the divergence from a reference, `entropy` the bonus for trying things. A
row whose weights are all zero has no gradient and need not be computed; the denominators still count it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.numeric.rows import Row
from training.numeric_config import Baseline, Kind, Level, NumericConfig

Arrays = tuple[NDArray[np.float32], ...]
"""One array `(A,)` per row."""


@dataclass(frozen=True, slots=True, eq=False)
class Component:
    """Weights of one component over the rows of a whole step.

    Attributes:
        weights: `(A,)` per row, 0 where the mask is False.
        denom: divides the sum over all tokens.
        target: log-probabilities of the reference, `(A,)` per row; of `ref_kl` alone.
    """

    weights: Arrays
    denom: float
    target: Arrays = ()

    def row(self, index: int) -> bool:
        """True if the row has any weight."""
        return bool(np.any(self.weights[index]))


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """What an algorithm fills in; None is a component that it does not use."""

    rl: Component | None = None
    ce: Component | None = None
    ref_kl: Component | None = None
    entropy: Component | None = None

    def live(self, rows: int) -> tuple[int, ...]:
        """Indices of the rows that have a gradient at all."""
        used = [one for one in (self.rl, self.ce, self.ref_kl, self.entropy) if one is not None]
        return tuple(index for index in range(rows) if any(one.row(index) for one in used))


class Scores(Protocol):
    """Log-probabilities of the recorded tokens, `(A,)` per row, computed when an algorithm asks for them."""

    def current(self) -> Arrays:
        """Under the policy as it is."""
        ...

    def reference(self) -> Arrays:
        """Under the model without its adapter."""
        ...

    def teacher(self) -> Arrays:
        """Under the policy as it is, told what the critic said."""
        ...

    def told(self) -> Sequence[bool]:
        """True for the rows of which the critic said something that could be put into their prompt."""
        ...


Fill = Callable[[Sequence[Row], NumericConfig, Scores], Weights]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to learn from rows.

    Attributes:
        name: as in `NumericConfig.algorithm`.
        fill: the weights of each row's tokens.
        baseline: what returns are compared with, unless the configuration says otherwise.
        kind: the policy-gradient surrogate (`loss.policy_loss`).
        level: whose ratio it takes.
        ratios: True if it divides by the recorded probabilities; imitation does not, so it can use greedy samples too.
        refill: True if the weights depend on the policy as it is, so that each update fills them anew.
    """

    name: str
    fill: Fill
    baseline: Baseline = "none"
    kind: Kind = "clip"
    level: Level = "token"
    ratios: bool = True
    refill: bool = False


def tokens(rows: Sequence[Row]) -> float:
    """Number of tokens that the policy chose, at least 1."""
    return float(max(1, sum(int(row.mask.sum()) for row in rows)))


def ones(rows: Sequence[Row]) -> Arrays:
    """Weight 1 on each chosen token, so that a denominator of `tokens` gives the mean over tokens."""
    return tuple(row.mask.astype(np.float32) for row in rows)


def row_means(rows: Sequence[Row]) -> Arrays:
    """Weights that sum to 1 over each row, so that a denominator of the number of rows gives the mean of means."""
    return tuple(row.mask.astype(np.float32) / np.float32(max(1, int(row.mask.sum()))) for row in rows)


def advantages(rows: Sequence[Row], shares: Arrays) -> Arrays:
    """Advantage × credit × share in the mean, per token. Credit is at least 0, so it never turns a sign."""
    return tuple(
        np.float32(row.advantage) * (share if row.weights is None else share * row.weights)
        for row, share in zip(rows, shares, strict=True)
    )


def penalty(shares: Arrays, denom: float, config: NumericConfig, scores: Scores) -> Component | None:
    """The divergence from the model without its adapter, None where its coefficient is 0."""
    if config.kl == 0:
        return None
    return Component(tuple(np.float32(config.kl) * share for share in shares), denom, scores.reference())


def bonus(shares: Arrays, denom: float, config: NumericConfig) -> Component | None:
    """The entropy of the policy, None where its coefficient is 0."""
    return Component(tuple(np.float32(config.entropy) * share for share in shares), denom) if config.entropy else None
