"""Credit: what a critic says of steps and agents weighs the tokens that are trained.

The environment decides the direction, words decide where: a token's advantage is multiplied by a weight in [0, 2] whose
mean over the tokens of a run (or of an episode) is 1. So no judgement can turn a sign or change the sum of the weights.
Where the advantage is positive, what was judged well weighs more; where it is negative, what was judged badly.
(Credit over spans of text: Text2Grad, arXiv 2505.22338.)

    steps       judgements of single steps; mean 1 over each agent's run
    agents      judgements of steps, else of the agent; mean 1 over the episode, so that agents share its credit
    near_more   agents near the place that matters weigh more; mean 1 over the episode
    near_only   they alone learn: weight 1, the others 0 (so the mean is below 1)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.errors import ConfigError
from textgrad_agents.trajectory import Episode
from training.numeric.locality import Near, near_of
from training.numeric.reading import episode_id
from training.numeric.rows import Row, times_of
from training.numeric_config import CreditName

_Score = Callable[[str, int], float]
"""Judgement of an agent at a timestep, NaN where there is none."""


def credit_weights(
    rows: Sequence[Row],
    episodes: Sequence[Episode],
    name: str,
    *,
    source: str | None = None,
    near: Near | None = None,
) -> tuple[Row, ...]:
    """Rows with weights. Give them their advantages first, whose signs are read here.

    Args:
        rows: of `episodes`.
        episodes: with their credits, as `UpdateReport.credits` adds them.
        name: which credit.
        source: whose judgements count (`Credit.source`); None for the mean over all critics.
        near: which agents are near, for environments that `locality` does not know.

    Raises:
        ConfigError: an unknown name, a row of another episode, or a place that is not known in an environment.
    """
    if name not in get_args(CreditName):
        raise ConfigError(f"credit must be one of {', '.join(get_args(CreditName))}, not {name!r}")
    kind = cast("CreditName", name)
    known = {episode_id(episode): episode for episode in episodes}
    scopes: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        if row.episode not in known:
            raise ConfigError(f"a row of {row.agent} is of episode {row.episode}, which is not among those given")
        scopes.setdefault(row.trajectory if kind == "steps" else row.episode, []).append(i)
    scores: dict[str, _Score] = {}
    for key, episode in known.items():
        judged = kind in ("steps", "agents")
        scores[key] = _judgements(episode, kind, source) if judged else _nearness(near_of(episode, near))
    result = list(rows)
    for members in scopes.values():
        own = [rows[i] for i in members]
        for i, row in zip(members, _weighted(own, scores[own[0].episode], kind), strict=True):
            result[i] = row
    return tuple(result)


def _weighted(rows: Sequence[Row], score: _Score, kind: CreditName) -> list[Row]:
    """The rows of one scope with their weights."""
    scores = [_along(row, score) for row in rows]
    if kind == "near_only":
        found = [(one > 0).astype(np.float32) for one in scores]
        return [
            replace(row, weights=one, advantage=row.advantage if one[row.mask].any() else 0.0)
            for row, one in zip(rows, found, strict=True)
        ]
    if kind != "near_more":
        scores = [-one if row.advantage < 0 else one for row, one in zip(rows, scores, strict=True)]
    chosen = np.concatenate([one[row.mask] for row, one in zip(rows, scores, strict=True)])
    judged = chosen[~np.isnan(chosen)]
    middle = judged.mean() if len(judged) else 0.0
    spread = max(1.0, float(np.abs(judged - middle).max(initial=0.0)))
    return [
        replace(row, weights=np.where(row.mask, 1 + np.nan_to_num((one - middle) / spread), 1).astype(np.float32))
        for row, one in zip(rows, scores, strict=True)
    ]


def _along(row: Row, score: _Score) -> NDArray[np.float64]:
    """The judgement of each token, `(A,)`."""
    times, places = np.unique(times_of(row), return_inverse=True)
    return np.array([score(row.agent, int(time)) for time in times])[places]


def _judgements(episode: Episode, kind: CreditName, source: str | None) -> _Score:
    """What critics say. A judgement of a cycle is of the decision that was in force in it."""
    decisions = {
        one.agent: [step.timestep for step in one.steps if step.messages or step.trace] for one in episode.trajectories
    }
    said: dict[tuple[str, int | None], list[float]] = {}
    for credit in episode.credits:
        if credit.score is None or (source is not None and credit.source != source):
            continue
        place = credit.step
        if place is not None:
            times = decisions.get(credit.agent, [])
            number = bisect_right(times, place)
            if number == 0:
                continue
            place = times[number - 1]
        said.setdefault((credit.agent, place), []).append(credit.score)
    means: Mapping[tuple[str, int | None], float] = {key: sum(values) / len(values) for key, values in said.items()}

    def score(agent: str, timestep: int) -> float:
        whole = means.get((agent, None), np.nan) if kind == "agents" else np.nan
        return means.get((agent, timestep), whole)

    return score


def _nearness(near: Mapping[int, frozenset[str]]) -> _Score:
    def score(agent: str, timestep: int) -> float:
        return 1.0 if agent in near[timestep] else -1.0

    return score
