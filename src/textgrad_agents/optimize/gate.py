"""The gate: a proposal is a hypothesis, and validation examples decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from textgrad_agents.optim.acceptance import SequentialTest

GateName: TypeAlias = Literal["sequential", "mean", "none"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of a proposal.

    Attributes:
        accepted: True if it is to be taken.
        reason: why, in words.
        pairs: validation examples on which both values were compared.
        difference: mean of the differences, proposal minus present.
        e_value: evidence of the sequential test.
    """

    accepted: bool
    reason: str
    pairs: int = 0
    difference: float | None = None
    e_value: float | None = None

    @property
    def ahead(self) -> bool:
        """True if the proposal did better in the mean, whether or not that is evidence enough."""
        return self.difference is not None and self.difference > 0


def judge(differences: Sequence[float], *, gate: GateName, alpha: float, most: int) -> Verdict | None:
    """Decide from the paired differences seen so far, or None if more are needed.

    Args:
        differences: proposal minus present values, in the order seen.
        gate: "sequential" accepts when the e-value reaches 1 / alpha; "mean" when the mean over all pairs is above 0.
        alpha: probability of accepting a proposal that is not better, at most.
        most: pairs that there are; with all of them seen there is a decision.
    """
    if gate == "mean":
        if len(differences) < most:
            return None
        mean = _mean(differences)
        better = mean is not None and mean > 0
        return Verdict(better, f"{'better' if better else 'not better'}: {_shown(differences)}", most, mean)
    test = SequentialTest(alpha=alpha, max_pairs=max(most, 1))
    for difference in differences:
        if test.decision != "undecided":
            break
        test.add(difference)
    if test.decision == "undecided" and len(differences) < most:
        return None
    seen = test.differences
    accepted = test.decision == "accept"
    reason = f"{'better' if accepted else 'not shown to be better'}: {_shown(seen)}"
    evidence = f"e-value {test.e_value:.3g} of {1 / alpha:.3g}"
    return Verdict(accepted, f"{reason}, {evidence}", len(seen), _mean(seen), test.e_value)


def _mean(differences: Sequence[float]) -> float | None:
    return sum(differences) / len(differences) if differences else None


def _shown(differences: Sequence[float]) -> str:
    mean = _mean(differences)
    return "no pair could be compared" if mean is None else f"{mean:+.3g} per example over {len(differences)} pairs"
