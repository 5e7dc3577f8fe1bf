"""Acceptance: a proposed team replaces the present one only if fresh episodes say that it is better.

Both teams play the same episodes (same seeds, no exploration). A score is never paid for twice: scores are kept by team
and episode. Evidence about the same pair of teams is carried on, each time with episodes that the pair has not played.
Where a team is tested more than once in an iteration, the later tests begin with the scores that it has; a team that
was accepted for them is harder to beat on them, so the error rate holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from textgrad_agents.errors import ConfigError
from textgrad_agents.files import write_json
from textgrad_agents.optim.acceptance import SequentialTest
from textgrad_agents.policy import team_hash
from training.acceptance import Verdict
from training.collect import Collector
from training.tables import amount

GateName = Literal["sequential", "mean", "none"]


def check_pairs(max_pairs: int, alpha: float) -> None:
    """Refuse a sequential gate that could accept nothing.

    Raises:
        ConfigError: even a candidate that wins every pair would not be accepted.
    """
    if SequentialTest(alpha=alpha, max_pairs=max_pairs).decision == "reject":
        least = next(
            n for n in range(max_pairs, 10_000) if SequentialTest(alpha=alpha, max_pairs=n).decision != "reject"
        )
        raise ConfigError(
            f"gate_episodes {max_pairs} are too few for alpha {alpha:g}: a proposal that wins all of them would be "
            f"refused; give at least {least}, a greater alpha, or --gate mean"
        )


@dataclass(frozen=True, slots=True)
class AlwaysAccept:
    """No gate: every proposal replaces the incumbent."""

    async def judge(self, incumbent: Mapping[str, str], candidate: Mapping[str, str], iteration: int) -> Verdict:
        """Accept."""
        return Verdict(True, "accepted without a test (gate none)")

    def state(self) -> list[Any]:
        """Nothing is remembered."""
        return []

    def restore(self, state: list[Any]) -> None:
        """Nothing is remembered."""


class PairedGate:
    """Plays both teams on the same fresh episodes.

    Args:
        collector: plays.
        folder: gives the folder of an iteration's gate, for the record of its evidence: ``gate.json`` of the first
            decision, ``gate_2.json`` of the second, and so on.
        max_pairs: most episode pairs per decision.
        alpha: "sequential": probability of accepting a candidate that is not better, at most.
        sequential: True stops as soon as the evidence decides; False plays all pairs and compares means.
        weights: says which weights the teams play with, if those can change: evidence is about one state of them.
        done: told after every pair with the difference seen.

    Raises:
        ConfigError: so few pairs can never reach the evidence that `alpha` asks for.
    """

    def __init__(
        self,
        collector: Collector,
        folder: Callable[[int], Path],
        *,
        max_pairs: int,
        alpha: float,
        sequential: bool,
        weights: Callable[[], str] | None = None,
        done: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if sequential:
            check_pairs(max_pairs, alpha)
        self._collector = collector
        self._folder = folder
        self._max_pairs = max_pairs
        self._alpha = alpha
        self._sequential = sequential
        self._weights = weights
        self._done = done
        self._evidence: dict[tuple[str, str], list[float]] = {}
        self._iteration = -1
        self._scores: dict[tuple[str, int], float | None] = {}  # by team and pair
        self._seen: dict[tuple[str, str], int] = {}  # pairs played by two teams
        self._decisions = 0

    async def judge(self, incumbent: Mapping[str, str], candidate: Mapping[str, str], iteration: int) -> Verdict:
        """Compare the teams on fresh episodes of this iteration."""
        if iteration != self._iteration:
            self._begin(iteration)
        ours, theirs = teams = self._team(incumbent), self._team(candidate)
        differences = list(self._evidence.get(teams, ()))
        test = SequentialTest(alpha=self._alpha, max_pairs=len(differences) + self._max_pairs, differences=differences)
        rows: list[dict[str, Any]] = []
        first = self._seen.get(teams, 0)
        played = failed = 0
        pairs = range(first, first + self._max_pairs)
        if not self._sequential:  # all of them will be played, so none has to wait for another
            sides = ((incumbent, ours), (candidate, theirs))
            await asyncio.gather(*(self._score(*side, iteration, pair) for side in sides for pair in pairs))
        for pair in pairs:
            if self._sequential and test.decision != "undecided":
                break
            mine, other = await asyncio.gather(
                self._score(incumbent, ours, iteration, pair), self._score(candidate, theirs, iteration, pair)
            )
            played += 2
            failed += (mine is None) + (other is None)
            self._seen[teams] = pair + 1
            if mine is None or other is None:
                continue
            differences.append(other - mine)
            test.add(other - mine)
            rows.append({"pair": pair, "incumbent": mine, "candidate": other, "e_value": test.e_value})
            if self._done is not None:
                self._done(rows[-1])
        self._evidence[teams] = differences
        accepted, reason = self._conclude(test, differences)
        kept = [row["candidate" if accepted else "incumbent"] for row in rows]
        self._write(iteration, teams, accepted, reason, len(differences) - len(rows), rows)
        return Verdict(
            accepted,
            reason,
            score=sum(kept) / len(kept) if kept else None,
            episodes=played,
            failed=failed,
            pairs=len(differences),
            gain=_mean(differences) if differences else None,
            e_value=test.e_value if self._sequential else None,
        )

    def _team(self, policies: Mapping[str, str]) -> str:
        """What a team is known by: its policies, and the weights it plays with."""
        return team_hash(policies) if self._weights is None else f"{team_hash(policies)}/{self._weights()[:16]}"

    def state(self) -> list[Any]:
        """The evidence so far, as JSON-like values."""
        return [
            {"incumbent": ours, "candidate": theirs, "differences": differences}
            for (ours, theirs), differences in self._evidence.items()
        ]

    def restore(self, state: list[Any]) -> None:
        """Go on with evidence that `state` gave.

        Raises:
            KeyError, TypeError, ValueError: it is no such state.
        """
        self._evidence = {
            (str(one["incumbent"]), str(one["candidate"])): [float(value) for value in one["differences"]]
            for one in state
        }
        self._iteration = -1

    def _begin(self, iteration: int) -> None:
        """Forget what belongs to another iteration: its episodes are never played again."""
        self._iteration = iteration
        self._scores.clear()
        self._seen.clear()
        self._decisions = 0

    def _conclude(self, test: SequentialTest, differences: list[float]) -> tuple[bool, str]:
        """Whether the candidate is accepted, and why."""
        if not differences:
            return False, "kept the present policies: the environment failed in every test episode"
        seen = f"{amount(_mean(differences), sign=True)} per episode over {len(differences)} pairs"
        if not self._sequential:
            accepted = _mean(differences) > 0
            return accepted, f"{'accepted' if accepted else 'kept the present policies'}: {seen}"
        outcome = {
            "accept": "accepted",
            "reject": "kept the present policies",
            "undecided": "undecided, kept the present policies",
        }[test.decision]
        evidence = f"e-value {test.e_value:.3g} (accepts at {1 / self._alpha:.3g})"
        return test.decision == "accept", f"{outcome}: {seen}, {evidence}"

    def _write(
        self,
        iteration: int,
        teams: tuple[str, str],
        accepted: bool,
        reason: str,
        before: int,
        rows: list[dict[str, Any]],
    ) -> None:
        self._decisions += 1
        name = "gate.json" if self._decisions == 1 else f"gate_{self._decisions}.json"
        record = {
            "accepted": accepted,
            "reason": reason,
            "alpha": self._alpha,
            "incumbent": teams[0],
            "candidate": teams[1],
            "pairs_before": before,
            "pairs": rows,
        }
        write_json(self._folder(iteration) / name, record)

    async def _score(self, policies: Mapping[str, str], team: str, iteration: int, pair: int) -> float | None:
        """Return of a team in a gate episode; None if the environment failed."""
        key = (team, pair)
        if key not in self._scores:
            [episode] = await self._collector.collect(
                policies, branch="gate", iteration=iteration, episodes=(pair,), record=False
            )
            self._scores[key] = None if episode.error is not None else episode.total_reward
        return self._scores[key]


def _mean(differences: list[float]) -> float:
    return sum(differences) / len(differences)
