"""How often the acceptance gate is wrong, where the truth is planted.

    python benchmarks/gate_errors.py                 # 2,000 decisions per line
    python benchmarks/gate_errors.py --decisions 200

The gates are the trainer's own (`training.gate.PairedGate`). The episodes they play are drawn from worlds whose truth
is known: a team's score is that of the seed (which both teams share) plus noise plus, for the candidate, the planted
effect. Beside them stands the test that a statistician would run on the same pairs: a one-sided paired t-test at the
same level after all pairs.

A false accept is an accepted candidate that is not better, a false reject a better one that was not accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import platform
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textgrad_agents.trajectory import Episode
from training.gate import PairedGate

PAIRS = 12
ALPHA = 0.05
T_AT_ALPHA = 1.796  # upper 5 % point of Student's t with PAIRS - 1 degrees of freedom

Score = Callable[[random.Random, random.Random, bool], float]
"""(luck of the seed, luck of this team, is it the candidate) -> score"""


@dataclass(frozen=True)
class World:
    """A truth: how scores come about, and whether the candidate is better."""

    name: str
    truth: str
    score: Score

    @property
    def better(self) -> bool:
        return self.truth == "better"


def normal(effect: float) -> Score:
    """Scores of standard deviation 1 about the seed's; `effect` in the same unit."""
    return lambda seed, own, candidate: seed.gauss(0, 3) + own.gauss(0, 1) + effect * candidate


def heavy(effect: float) -> Score:
    """Scores with tails of Student's t with 2 degrees of freedom: some episodes are worth ten others."""

    def score(seed: random.Random, own: random.Random, candidate: bool) -> float:
        tail = own.gauss(0, 1) / math.sqrt(own.expovariate(1.0))
        return seed.gauss(0, 1) + tail + effect * candidate

    return score


def wins(incumbent: float, candidate: float) -> Score:
    """1 for a game that is won, 0 for one that is not."""
    return lambda seed, own, other: float(own.random() < (candidate if other else incumbent))


def finishes(incumbent: float, candidate: float) -> Score:
    """Either the goal is reached (about 95) or time runs out anywhere between -10 and 60, as in Pistonball."""

    def score(seed: random.Random, own: random.Random, other: bool) -> float:
        reached = own.random() < (candidate if other else incumbent)
        return own.gauss(95, 2) if reached else own.uniform(-10, 60)

    return score


WORLDS = [
    World("equal, normal", "equal", normal(0)),
    World("equal, heavy tails", "equal", heavy(0)),
    World("equal, wins half of the games", "equal", wins(0.5, 0.5)),
    World("equal, reaches the goal in half", "equal", finishes(0.5, 0.5)),
    World("worse by 0.5 sd", "worse", normal(-0.5)),
    World("better by 0.5 sd", "better", normal(0.5)),
    World("better by 1 sd", "better", normal(1)),
    World("better by 2 sd", "better", normal(2)),
    World("better by 2, heavy tails", "better", heavy(2)),
    World("wins 0.9 instead of 0.5", "better", wins(0.5, 0.9)),
    World("reaches the goal in 0.9 instead of 0.3", "better", finishes(0.3, 0.9)),
    World("reaches the goal in 1.0 instead of 0.1", "better", finishes(0.1, 1.0)),
]


class Planted:
    """Plays episodes of a world in place of an environment; the policy text says which team it is."""

    def __init__(self, world: World, decision: int) -> None:
        self._world = world
        self._decision = decision

    async def collect(
        self, policies: dict[str, str], *, branch: str, iteration: int, episodes: Sequence[int], record: bool
    ) -> list[Episode]:
        team = policies["agent"]
        scores: list[float] = []
        for episode in episodes:
            place = f"{self._world.name} {self._decision} {iteration} {episode}"
            luck = random.Random(place), random.Random(f"{place} {team}")
            scores.append(self._world.score(*luck, team == "candidate"))
        return [Episode(total_reward=score) for score in scores]


def decide(world: World, decision: int, folder: Path, *, pairs: int, sequential: bool) -> tuple[bool, float]:
    """One decision of the trainer's gate: whether it accepts, and how many pairs it played."""
    gate = PairedGate(Planted(world, decision), lambda _: folder, max_pairs=pairs, alpha=ALPHA, sequential=sequential)
    verdict = asyncio.run(gate.judge({"agent": "incumbent"}, {"agent": "candidate"}, 0))
    return verdict.accepted, verdict.episodes / 2


def t_test(world: World, decision: int) -> bool:
    """A one-sided paired t-test on the pairs that the gate would play."""
    played = Planted(world, decision)

    async def differences() -> list[float]:
        mine, other = [
            await played.collect({"agent": team}, branch="gate", iteration=0, episodes=range(PAIRS), record=False)
            for team in ("incumbent", "candidate")
        ]
        return [b.total_reward - a.total_reward for a, b in zip(mine, other, strict=True)]

    values = asyncio.run(differences())
    spread = statistics.stdev(values)
    return spread > 0 and statistics.fmean(values) / (spread / math.sqrt(PAIRS)) > T_AT_ALPHA


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=2000)
    flags = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {flags.decisions} decisions per line\n")
    print(f"| truth | sequential, {PAIRS} pairs at most | pairs played | mean of 3 pairs | mean of {PAIRS} | t-test |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for world in WORLDS:
            every = range(flags.decisions)
            sequential = [decide(world, n, folder, pairs=PAIRS, sequential=True) for n in every]
            rates = [
                statistics.fmean(accepted for accepted, _ in sequential),
                *(
                    statistics.fmean(decide(world, n, folder, pairs=pairs, sequential=False)[0] for n in every)
                    for pairs in (3, PAIRS)
                ),
                statistics.fmean(t_test(world, n) for n in every),
            ]
            wrong = [f"{1 - rate if world.better else rate:.1%}" for rate in rates]
            kind = "false rejects" if world.better else "false accepts"
            pairs = statistics.fmean(played for _, played in sequential)
            print(f"| {world.name}: {kind} | {wrong[0]} | {pairs:.1f} | {' | '.join(wrong[1:])} |", flush=True)


if __name__ == "__main__":
    main()
