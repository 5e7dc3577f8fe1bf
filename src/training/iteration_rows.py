"""The numbers of an iteration, and what follows from those of all: the best so far, and whether it is time to stop."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from textgrad_agents.engines.middleware import Tally
from textgrad_agents.interfaces import EngineRole, UpdateReport
from textgrad_agents.messages import Usage
from textgrad_agents.trajectory import Episode

Row = dict[str, Any]
"""The numbers of one iteration, JSON-like."""

UNUSABLE = {
    "parse_failures": "replies named no action (the neutral one was taken)",
    "failed_episodes": "episodes failed (left out)",
    "failed_gate_episodes": "test episodes failed (no evidence)",
    "missing_credit": "judgements of an agent are missing (no feedback)",
    "foreign_sections": "sections about another agent were cut out of what the critic said",
    "unusable_proposals": "proposals could not be used (the policy stays)",
}
"""What went wrong without ending the run, by its name in a row, and what became of it."""

TEXTUAL, NUMERIC = "textual", "lora"
"""Names of the learners whose reports have fields of their own in a row."""

COUNTED = (
    *("rows", "tokens", "left_out", "stale", "skipped_rows"),
    *("groups", "dead_groups", "steps", "broken_steps"),
)
"""What is added up over the updates of weights in an iteration."""


class Best(NamedTuple):
    """A version of the policies.

    Attributes:
        updates: iterations that were finished when it was made: 0 for the first.
        mean_return: of its episodes, or what a gate's test lets expect.
    """

    updates: int
    mean_return: float


def iteration_row(
    iteration: int,
    paradigm: str,
    episodes: Sequence[Episode],
    reports: Sequence[UpdateReport],
    used: Mapping[EngineRole, Tally],
    earlier: Sequence[Row],
) -> Row:
    """The numbers of an iteration.

    Args:
        iteration: its number.
        paradigm: how the critic was asked.
        episodes: all that were collected; at least one did not fail.
        reports: of the learners and the critic, in the order in which their notes are told.
        used: what the replies used.
        earlier: the rows of the iterations before.

    Returns:
        The numbers, as JSON-like values. ``accepted`` is True if new policies were let in, False if the present ones
        stay, None where nobody rewrites them. ``weights`` is there where weights learn: what `COUNTED` names in sum,
        the last finite value of everything else that the learner measured, and whether any weight changed.
    """
    sound = [episode for episode in episodes if episode.error is None]
    rewards = [episode.total_reward for episode in sound]
    spent = sum(used.values(), Tally())
    text = used.get("critic", Tally()) + used.get("optimizer", Tally())
    row: Row = {
        "iteration": iteration,
        "paradigm": paradigm,
        "avg_reward": statistics.fmean(rewards),
        "rewards": rewards,
        "min_reward": min(rewards),
        "max_reward": max(rewards),
        "failed_episodes": len(episodes) - len(sound),
        "parse_failures": sum(not step.parsed for episode in sound for step in episode.steps()),
        **{name: _total(reports, name) for name in ("missing_credit", "foreign_sections")},
        **{name: _total(reports, name) for name in ("unusable_proposals", "failed_gate_episodes")},
        "accepted": _accepted(reports),
        "gain": _gain(reports),
        "decision": "; ".join(dict.fromkeys(note for report in reports for note in report.notes)) or "nothing learns",
        "input_tokens": spent.usage.input_tokens,
        "output_tokens": spent.usage.output_tokens,
        "total_tokens": _tokens(spent.usage),
        "cost_usd": spent.cost_usd,
        "textgrad_estimated_tokens": _tokens(text.usage),
        "textgrad_queries": text.calls,
        "by_role": {
            role: {
                "calls": tally.calls,
                "input_tokens": tally.usage.input_tokens,
                "output_tokens": tally.usage.output_tokens,
                "cost_usd": tally.cost_usd,
            }
            for role, tally in used.items()
        },
        **_weights(reports),
    }
    best = max([*earlier, row], key=lambda one: (one["avg_reward"], -one["iteration"]))
    return row | {"best_iteration": best["iteration"], "best_avg_reward": best["avg_reward"]}


def best_version(rows: Sequence[Row]) -> Best | None:
    """The version with the best mean return, the earlier of equals; None before the first iteration.

    A version is judged by the episodes in which it acted to be learned from. The last one, which acted in none, counts
    with the return of the one before it and what the gate saw it gain over that; without a gate's test it does not
    count, nor where its weights are new too, since a gate compares texts under the same weights.
    """
    versions = [Best(row["iteration"], row["avg_reward"]) for row in rows]
    if rows and rows[-1]["accepted"] and rows[-1]["gain"] is not None and not learned(rows[-1]).get("changed"):
        versions.append(Best(rows[-1]["iteration"] + 1, rows[-1]["avg_reward"] + rows[-1]["gain"]))
    return max(versions, key=lambda one: (one.mean_return, -one.updates), default=None)


def without_better(rows: Sequence[Row], min_delta: float) -> int:
    """For how many iterations in a row the best mean return was not bettered by more than `min_delta`."""
    best, count = -math.inf, 0
    for row in rows:
        better = row["avg_reward"] > best + min_delta
        best, count = (row["avg_reward"], 0) if better else (best, count + 1)
    return count


def learned(row: Mapping[str, Any]) -> dict[str, Any]:
    """What weights learned in an iteration; empty where none learn."""
    return row.get("weights", {})


def _accepted(reports: Sequence[UpdateReport]) -> bool | None:
    decided = [report.changed for report in reports if report.learner == TEXTUAL]
    return any(decided) if decided else None


def _weights(reports: Sequence[UpdateReport]) -> dict[str, Any]:
    own = [report for report in reports if report.learner == NUMERIC]
    if not own:
        return {}
    measured = {name: value for one in own for name, value in one.metrics.items() if math.isfinite(value)}
    counted = {name: _total(own, name) for name in COUNTED}
    return {"weights": {"changed": any(one.changed for one in own), **measured, **counted}}


def _gain(reports: Sequence[UpdateReport]) -> float | None:
    """What the gate saw the accepted policies gain per episode; None if it tested none of them."""
    gains = [report.metrics["gain"] for report in reports if "gain" in report.metrics]
    return sum(gains) if gains else None


def _total(reports: Sequence[UpdateReport], name: str) -> int:
    return int(sum(report.metrics.get(name, 0) for report in reports))


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
