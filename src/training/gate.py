"""Acceptance: a proposed team replaces the present one only if fresh episodes say that it is better.

Both teams play the same episodes (same seeds, no exploration). A score is never paid for twice: scores are kept by team
and episode. Evidence about the same pair of teams is carried on from one iteration to the next.
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
from training.collect import Collector
from training.textual import Verdict

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
        folder: gives the folder of an iteration's gate, for the record of its evidence.
        max_pairs: most episode pairs per decision.
        alpha: "sequential": probability of accepting a candidate that is not better, at most.
        sequential: True stops as soon as the evidence decides; False plays all pairs and compares means.
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
        done: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        if sequential:
            check_pairs(max_pairs, alpha)
        self._collector = collector
        self._folder = folder
        self._max_pairs = max_pairs
        self._alpha = alpha
        self._sequential = sequential
        self._done = done
        self._scores: dict[tuple[str, int, int], float | None] = {}
        self._evidence: dict[tuple[str, str], list[float]] = {}

    async def judge(self, incumbent: Mapping[str, str], candidate: Mapping[str, str], iteration: int) -> Verdict:
        """Compare the teams on fresh episodes of this iteration."""
        ours, theirs = team_hash(incumbent), team_hash(candidate)
        differences = list(self._evidence.get((ours, theirs), ()))
        test = SequentialTest(alpha=self._alpha, max_pairs=len(differences) + self._max_pairs, differences=differences)
        rows: list[dict[str, Any]] = []
        played = 0
        for pair in range(self._max_pairs):
            if self._sequential and test.decision != "undecided":
                break
            mine, other = await asyncio.gather(
                self._score(incumbent, ours, iteration, pair), self._score(candidate, theirs, iteration, pair)
            )
            played += 2
            if mine is None or other is None:
                continue
            differences.append(other - mine)
            test.add(other - mine)
            rows.append({"pair": pair, "incumbent": mine, "candidate": other, "e_value": test.e_value})
            if self._done is not None:
                self._done(rows[-1])
        self._evidence[ours, theirs] = differences
        return self._conclude(test, differences, rows, iteration, (ours, theirs), played)

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

    def _conclude(
        self,
        test: SequentialTest,
        differences: list[float],
        rows: list[dict[str, Any]],
        iteration: int,
        teams: tuple[str, str],
        played: int,
    ) -> Verdict:
        mean = sum(differences) / len(differences) if differences else 0.0
        if not differences:
            accepted, reason = False, "kept the present policies: the environment failed in every test episode"
        elif self._sequential:
            accepted = test.decision == "accept"
            why = {
                "accept": "accepted",
                "reject": "kept the present policies",
                "undecided": "undecided, kept the present policies",
            }
            reason = (
                f"{why[test.decision]}: {mean:+.1f} per episode over {len(differences)} pairs, "
                f"e-value {test.e_value:.3g} (accepts at {1 / self._alpha:.3g})"
            )
        else:
            accepted = mean > 0
            outcome = "accepted" if accepted else "kept the present policies"
            reason = f"{outcome}: {mean:+.1f} per episode over {len(differences)} pairs"
        kept = [row["candidate" if accepted else "incumbent"] for row in rows]
        write_json(
            self._folder(iteration) / "gate.json",
            {
                "accepted": accepted,
                "reason": reason,
                "alpha": self._alpha,
                "incumbent": teams[0],
                "candidate": teams[1],
                "pairs_before": len(differences) - len(rows),
                "pairs": rows,
            },
        )
        return Verdict(accepted, reason, sum(kept) / len(kept) if kept else None, played)

    async def _score(self, policies: Mapping[str, str], team: str, iteration: int, pair: int) -> float | None:
        """Return of a team in a gate episode; None if the environment failed."""
        key = (team, iteration, pair)
        if key not in self._scores:
            [episode] = await self._collector.collect(
                policies, branch="gate", iteration=iteration, episodes=(pair,), record=False
            )
            self._scores[key] = None if episode.error is not None else episode.total_reward
        return self._scores[key]
