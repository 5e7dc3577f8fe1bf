"""Which prompt is best, as far as recorded episodes can tell: a filter before the gate, never in its place.

The environment reacts to actions alone, so an episode recorded under one prompt says what another would have brought,
weighted by how much likelier that one makes the same actions. Self-normalised importance sampling; over several
recorded prompts the balance heuristic (Veach and Guibas 1995): weights π(a|φ) / Σ_b (n_b / N) π(a|φ_b).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.engines.local import LocalModel
from textgrad_agents.errors import ConfigError
from textgrad_agents.seeds import text_hash
from training.numeric.rescore import log_ratios, rescore
from training.numeric.rows import Row

Texts = Mapping[str, str]
"""Texts of Variables by name."""

LEAST_MEAN, MOST_MEAN, LEAST_SHARE = 0.5, 2.0, 0.2
_MOST = 20.0  # nats


@dataclass(frozen=True, slots=True)
class Estimate:
    """What recorded episodes say of a prompt.

    Attributes:
        name: of the candidate.
        value: estimated mean return.
        mean_weight: mean importance weight; near 1 where the recorded actions are a fair sample of the candidate's.
        ess: effective sample size, (Σw)² / Σw².
        count: episodes.
    """

    name: str
    value: float
    mean_weight: float
    ess: float
    count: int

    @property
    def measurable(self) -> bool:
        """True if the record can tell: mean weight in [0.5, 2] and an effective size of a fifth of the episodes.

        Either alone misleads: a prompt that makes all recorded actions about as unlikely has a large effective size.
        """
        return LEAST_MEAN <= self.mean_weight <= MOST_MEAN and self.ess >= LEAST_SHARE * self.count

    def note(self) -> str:
        """One line for a log."""
        what = f"value {self.value:.3g}" if self.measurable else "not measurable, needs fresh episodes"
        return f"{self.name}: {what} (mean weight {self.mean_weight:.2g}, ESS {self.ess:.1f} of {self.count})"


def rank(
    rows: Sequence[Row],
    model: LocalModel,
    candidates: Mapping[str, Texts],
    *,
    adapter: str | None,
    behaviours: Sequence[Texts] = (),
) -> tuple[Estimate, ...]:
    """Estimate the mean return of candidate prompts from what was recorded under others.

    Args:
        rows: what was recorded.
        model: the model that sampled it.
        candidates: texts of Variables, by the candidate's name.
        adapter: the adapter that is to act.
        behaviours: the prompts that the rows were recorded under, for the balance heuristic; their weights must be
            those of `adapter` now. Without them each row is weighed against its own sampler.

    Returns:
        The measurable ones first, best first; then the others.

    Raises:
        ConfigError: there are no rows; or a row was sampled under none of the `behaviours`, or by other weights.
    """
    if not rows:
        raise ConfigError("there are no recorded rows to rank prompts with; collect episodes with a local engine first")
    episodes = _episodes(rows)
    sampled = _mixture(rows, model, adapter, behaviours, episodes) if behaviours else None
    returns = np.array([_return(rows, own) for own in episodes], np.float64)
    estimates: list[Estimate] = []
    for name, texts in candidates.items():
        scored = rescore(rows, model, adapter=adapter, prompt=texts)
        sums = _sums([log_ratios([row], [one])[0] for row, one in zip(rows, scored, strict=True)], episodes)
        if sampled is not None:
            sums = _sums([float(one.sum(dtype=np.float64)) for one in scored], episodes) - sampled
        estimates.append(_estimate(name, np.exp(np.clip(sums, -_MOST, _MOST)), returns))
    return tuple(sorted(estimates, key=lambda one: (one.measurable, one.value if one.measurable else 0), reverse=True))


def _estimate(name: str, weights: NDArray[np.float64], returns: NDArray[np.float64]) -> Estimate:
    total = weights.sum()
    ess = total**2 / (weights**2).sum()
    return Estimate(name, float((weights * returns).sum() / total), float(weights.mean()), float(ess), len(weights))


def _mixture(
    rows: Sequence[Row],
    model: LocalModel,
    adapter: str | None,
    behaviours: Sequence[Texts],
    episodes: Sequence[Sequence[int]],
) -> NDArray[np.float64]:
    """Log-probability of each episode's actions under the mixture of the prompts that it was recorded under."""
    sha256 = "" if adapter is None else model.adapter(adapter).sha256
    if any(row.adapter != sha256 for row in rows):
        raise ConfigError(
            "rows of other weights than those that score cannot be balanced over prompts; rank without behaviours, or "
            "with rows of the present adapter alone"
        )
    under = [_behaviour(rows, own, behaviours) for own in episodes]
    logprobs = [rescore(rows, model, adapter=adapter, prompt=texts) for texts in behaviours]
    sums = np.stack([_sums([float(one.sum(dtype=np.float64)) for one in scored], episodes) for scored in logprobs])
    shares = np.bincount(under, minlength=len(behaviours)) / len(under)
    used = shares > 0
    return np.logaddexp.reduce(sums[used] + np.log(shares[used])[:, None], axis=0)


def _behaviour(rows: Sequence[Row], own: Sequence[int], behaviours: Sequence[Texts]) -> int:
    """Which of the prompts an episode was recorded under."""
    versions = {(span.variable, span.version) for index in own for span in rows[index].spans}
    for number, texts in enumerate(behaviours):
        if all((variable, text_hash(text)) in versions for variable, text in texts.items()):
            return number
    row = rows[own[0]]
    raise ConfigError(
        f"an episode of {row.agent or 'an agent'} was recorded under none of the {len(behaviours)} behaviours; give "
        "all prompts that were in use, or leave its rows out"
    )


def _episodes(rows: Sequence[Row]) -> list[list[int]]:
    """Indices of the rows of each episode: prompts may be shared, so an episode has one weight."""
    found: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        found.setdefault(row.episode or row.trajectory or f"#{index}", []).append(index)
    return list(found.values())


def _return(rows: Sequence[Row], own: Sequence[int]) -> float:
    """Mean over an episode's agents of what their first rows carry: the return of the whole run."""
    firsts: dict[str, Row] = {}
    for index in own:
        row = rows[index]
        if row.trajectory not in firsts or row.timestep < firsts[row.trajectory].timestep:
            firsts[row.trajectory] = row
    return sum(row.reward for row in firsts.values()) / len(firsts)


def _sums(values: Sequence[float], episodes: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    return np.array([sum(values[index] for index in own) for own in episodes], np.float64)
