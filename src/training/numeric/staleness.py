"""Staleness: rows sampled by weights or prompts that are too old are dropped when they are used, and counted.

A ratio corrects for a policy that is a little older; one that is much older has ratios of great variance. The prompt is
part of the policy, so its age counts as that of the weights does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textgrad_agents.errors import ConfigError
from training.numeric.rows import Row


@dataclass(frozen=True, slots=True)
class Fresh:
    """Rows that may be trained on, and how many may not.

    Attributes:
        rows: in the order given.
        old_weights: dropped for the version of their adapter.
        old_prompts: dropped for the version of their prompt (rows that are old in both count as `old_weights`).
        unknown: dropped since their adapter is of a later version than the present one or their prompt is none of the
            agent's versions: what sampled them is no ancestor of the present policy.
    """

    rows: tuple[Row, ...]
    old_weights: int = 0
    old_prompts: int = 0
    unknown: int = 0

    @property
    def dropped(self) -> int:
        """How many rows were dropped."""
        return self.old_weights + self.old_prompts + self.unknown


def fresh(
    rows: Sequence[Row],
    *,
    adapter_versions: Mapping[str, int],
    prompt_versions: Mapping[str, Sequence[str]] | None = None,
    max_staleness: int = 4,
) -> Fresh:
    """The rows whose weights and prompt are at most `max_staleness` versions old.

    Args:
        rows: of any age.
        adapter_versions: present version of each agent's adapter.
        prompt_versions: each agent's prompt versions (`Row.prompt_version`), the present one last; an agent that is
            left out has no bound on its prompts.
        max_staleness: 0 keeps what the present policy sampled.

    Raises:
        ConfigError: an agent has no adapter version, or the bound is negative.
    """
    if max_staleness < 0:
        raise ConfigError(f"max_staleness must be 0 or more, not {max_staleness}")
    kept: list[Row] = []
    old_weights = old_prompts = unknown = 0
    for row in rows:
        if row.agent not in adapter_versions:
            raise ConfigError(f"there are rows of {row.agent}, whose adapter has no version; known: {adapter_versions}")
        weights = adapter_versions[row.agent] - row.adapter_version
        prompt = _age(row, prompt_versions or {})
        if weights < 0 or prompt is None:
            unknown += 1
        elif weights > max_staleness:
            old_weights += 1
        elif prompt > max_staleness:
            old_prompts += 1
        else:
            kept.append(row)
    return Fresh(tuple(kept), old_weights, old_prompts, unknown)


def _age(row: Row, versions: Mapping[str, Sequence[str]]) -> int | None:
    """How many versions ago a row's prompt was last the present one; None if it never was."""
    if row.agent not in versions:
        return 0
    latest_first = list(reversed(versions[row.agent]))
    return latest_first.index(row.prompt_version) if row.prompt_version in latest_first else None
