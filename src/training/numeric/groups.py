"""Baselines: a return becomes an advantage by what others earned in the same place.

Rows are compared with rows of the same task, environment seed, prompt version, role and turn. Where fewer than two runs
are there, the turn is dropped, then the prompt version (prompts that are mixed add the variance of their quality, and
no bias). Members of a later turn's group have different histories, since no state is branched.

A group whose returns are all equal says nothing: its advantages are exactly 0, and it need not be computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.errors import ConfigError
from training.numeric.rows import Group, Row
from training.numeric_config import Baseline

STD_FLOOR = 1e-4

_Key: TypeAlias = tuple[int, Group]


@dataclass(frozen=True, slots=True)
class Advantages:
    """Rows with their advantages.

    Attributes:
        rows: in the order given.
        groups: groups that rows were compared in.
        dead: those of them in which all returns are equal.
        alone: rows that nobody could be compared with; their advantage is 0.
    """

    rows: tuple[Row, ...]
    groups: int = 0
    dead: int = 0
    alone: int = 0


class MovingBaselines:
    """A moving mean of the returns of each agent in each task, for games whose agents have opposed rewards.

    Members of a group would play against each other there; an agent's own past is the fair comparison (role-conditioned
    advantage estimation: Liu et al. 2025, arXiv 2506.24119). The mean is corrected for its start from 0 (as in Adam).

    Args:
        decay: weight of the past, in [0, 1).

    Raises:
        ConfigError: the decay is not.
    """

    def __init__(self, decay: float = 0.95) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"decay must be at least 0 and below 1, not {decay}")
        self.decay = decay
        self._means: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def __getitem__(self, key: str) -> float:
        """The baseline of an agent; 0 before its first return."""
        count = self._counts.get(key, 0)
        return self._means[key] / (1 - self.decay**count) if count else 0.0

    def add(self, key: str, value: float) -> None:
        """Take in the return of one run."""
        self._means[key] = self.decay * self._means.get(key, 0.0) + (1 - self.decay) * value
        self._counts[key] = self._counts.get(key, 0) + 1

    def state(self) -> dict[str, list[float]]:
        """Mean and count by key, JSON-like."""
        return {key: [mean, self._counts[key]] for key, mean in self._means.items()}

    def restore(self, state: Mapping[str, Sequence[float]]) -> None:
        """Go on from what `state` gave."""
        self._means = {key: float(mean) for key, (mean, _) in state.items()}
        self._counts = {key: int(count) for key, (_, count) in state.items()}


def advantages(
    rows: Sequence[Row], kind: Baseline = "group_mean", *, moving: MovingBaselines | None = None
) -> Advantages:
    """Rows with advantage = return − baseline.

    Kinds: ``group_mean`` subtracts the mean of the group (Dr. GRPO, arXiv 2503.20783). ``grpo_std`` also divides by the
    group's standard deviation plus 1e-4 (GRPO, arXiv 2402.03300, section 4.1.2). ``leave_one_out`` subtracts the mean
    of the *other episodes* in the group (RLOO, arXiv 2402.14740): with rows of `returns="to_go"`, one role and sibling
    episodes of one seed this is the baseline per time step for agents that share one reward. ``ema`` subtracts the
    agent's moving mean of earlier batches and then adds this one to it. ``none`` subtracts nothing.

    Args:
        rows: of one batch.
        kind: which baseline.
        moving: the moving means of ``ema``; they are updated.

    Raises:
        ConfigError: ``ema`` without `moving`, or an unknown kind.
    """
    if kind == "none":
        return Advantages(tuple(replace(row, advantage=row.reward) for row in rows))
    if kind == "ema":
        if moving is None:
            raise ConfigError("the baseline 'ema' goes on from batch to batch; pass moving=MovingBaselines()")
        return Advantages(_past(rows, moving))
    if kind not in ("group_mean", "leave_one_out", "grpo_std"):
        raise ConfigError(f"baseline must be group_mean, leave_one_out, grpo_std, ema or none, not {kind!r}")
    return _compared(rows, kind)


def _past(rows: Sequence[Row], moving: MovingBaselines) -> tuple[Row, ...]:
    result = tuple(replace(row, advantage=row.reward - moving[_agent(row)]) for row in rows)
    runs: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        runs.setdefault((_agent(row), row.trajectory), []).append(row.reward)
    for (agent, _), returns in runs.items():
        moving.add(agent, sum(returns) / len(returns))
    return result


def _agent(row: Row) -> str:
    return f"{row.group[0] if row.group else ''}:{row.agent}"


def _compared(rows: Sequence[Row], kind: Baseline) -> Advantages:
    """Each row within the finest group that has two members."""
    members = [row.episode if kind == "leave_one_out" else row.trajectory for row in rows]
    groups: dict[_Key, list[int]] = {}
    for i, row in enumerate(rows):
        for key in _keys(row.group):
            groups.setdefault(key, []).append(i)
    large = {key for key, found in groups.items() if len({members[i] or i for i in found}) > 1}
    placed: dict[_Key, list[int]] = {}
    for i, row in enumerate(rows):
        key = next((key for key in _keys(row.group) if key in large), None)
        if key is not None:
            placed.setdefault(key, []).append(i)
    values = np.zeros(len(rows))
    dead = 0
    for key, learners in placed.items():
        found = groups[key]
        returns = np.array([rows[i].reward for i in found])
        if np.all(returns == returns[0]):
            dead += 1
            continue
        own = dict(zip(found, _centred(returns, [members[i] or str(i) for i in found], kind), strict=True))
        values[learners] = [own[i] for i in learners]
    return Advantages(
        tuple(replace(row, advantage=float(value)) for row, value in zip(rows, values, strict=True)),
        groups=len(placed),
        dead=dead,
        alone=len(rows) - sum(map(len, placed.values())),
    )


def _keys(group: Group) -> list[_Key]:
    """From the finest to the coarsest: the whole key, without the turn, without the prompt version as well."""
    return [(0, group), (1, group[:4]), (2, (*group[:2], *group[3:4]))]


def _centred(returns: NDArray[np.float64], members: Sequence[str], kind: Baseline) -> NDArray[np.float64]:
    """Advantages within one group."""
    if kind == "leave_one_out":
        _, numbers = np.unique(np.array(members), return_inverse=True)
        others = len(returns) - np.bincount(numbers)[numbers]
        sums = returns.sum() - np.bincount(numbers, weights=returns)[numbers]
        return returns - sums / others
    centred = returns - returns.mean()
    return centred / (returns.std(ddof=1) + STD_FLOOR) if kind == "grpo_std" else centred
