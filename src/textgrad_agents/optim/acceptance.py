"""Acceptance: a sequential test of whether a candidate is better than the incumbent.

Both are scored on the same seeds. The test sees the paired differences, candidate minus incumbent, one at a time, and
may stop after any of them: the error rate holds whatever the stopping rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

from textgrad_agents.errors import ConfigError

Decision = Literal["accept", "reject", "undecided"]

BET = 2.0
"""How fast a bet grows with the size of a difference; chosen for power at a dozen pairs, any value is valid."""


class SequentialTest:
    """An e-value for paired differences, with early stopping.

    H0, "the candidate is not better": given all earlier differences and the size of the present one, the present one is
    at most as likely to be positive as to be negative. Two equal policies on random seeds satisfy it, whatever the
    distribution of scores, because exchanging them turns each difference round. It is a statement about signs, not
    about means: a candidate that wins a little on most seeds and loses very much on a few is better in its sense.

    The evidence after n differences d is E_n = prod_i (1 + tanh(BET d_i / s_i)) with s_i = max_{j <= i} abs(d_j). The
    factor of a pair is 1 + an odd function of d_i that lies within [-1, 1] and depends on nothing else than the past
    and abs(d_i), so under H0 its mean given the past is at most 1: E_n is a non-negative supermartingale that begins
    at 1, and by Ville's inequality the probability that it ever reaches 1 / alpha is at most alpha. (Betting scores on
    symmetry: Ramdas, Ruf, Larsson, Koolen, "Admissible anytime-valid sequential inference must rely on nonnegative
    martingales", 2020; bounds of this kind: de la Pena, Annals of Probability 27, 1999.)

    The differences are the whole state: a test made with the differences of an earlier one goes on where that one
    stopped, and the error rate stays what it was.

    Args:
        alpha: probability of ever accepting a candidate that is not better, at most.
        max_pairs: most pairs that will be seen, for giving up when too few are left to reach a decision.
        differences: differences seen before, in order.

    Raises:
        ConfigError: `alpha` is not between 0 and 1, `max_pairs` is below 1, or a difference is not finite.
    """

    def __init__(self, *, alpha: float = 0.05, max_pairs: int = 12, differences: Iterable[float] = ()) -> None:
        if not 0 < alpha < 1:
            raise ConfigError(f"alpha must be between 0 and 1, not {alpha!r}; 0.05 is usual")
        if max_pairs < 1:
            raise ConfigError(f"max_pairs must be 1 or more, not {max_pairs!r}")
        self.alpha = alpha
        self.max_pairs = max_pairs
        self._differences: list[float] = []
        self._scale = 0.0
        self._better = 1.0
        self._worse = 1.0
        for difference in differences:
            self.add(difference)

    @property
    def differences(self) -> tuple[float, ...]:
        """The differences seen, in order."""
        return tuple(self._differences)

    @property
    def e_value(self) -> float:
        """Evidence that the candidate is better: 1 is none, 1 / alpha is enough."""
        return self._better

    @property
    def decision(self) -> Decision:
        """What the evidence says so far.

        "accept": the e-value has reached 1 / alpha. "reject": it cannot reach 1 / alpha any more even if the candidate
        wins all pairs that are left, or the e-value of the opposite claim has reached 1 / alpha. Otherwise "undecided".
        """
        enough = 1 / self.alpha
        if self._better >= enough:
            return "accept"
        left = max(0, self.max_pairs - len(self._differences))
        reachable = self._better * (1 + math.tanh(BET)) ** left
        if self._worse >= enough or (left and reachable < enough):
            return "reject"
        return "undecided"

    def add(self, difference: float) -> None:
        """See one more pair: the candidate's score minus the incumbent's on the same seed."""
        if not math.isfinite(difference):
            raise ConfigError(f"a difference of scores must be a finite number, not {difference!r}")
        self._differences.append(difference)
        self._scale = max(self._scale, abs(difference))
        bet = math.tanh(BET * (difference / self._scale)) if self._scale else 0.0
        self._better *= 1 + bet
        self._worse *= 1 - bet
