"""How proposals become policies: what a gate is asked, and what it answered.

Jointly, all proposals of an update are one candidate team. Agent by agent, each proposal is a candidate of its own,
tested in the team that the decisions before it left; the error rate of the gate then holds for each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from textgrad_agents.optim.proposals import Outcome, Proposal

Policies = dict[str, str]
GateScope = Literal["joint", "agent"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate decided.

    Attributes:
        accepted: True if the candidate replaces the incumbent.
        reason: why, in one sentence.
        score: mean return of the team that the gate kept, None if it was not played.
        episodes: episodes played for the decision.
        failed: those of them in which the environment failed.
        pairs: pairs of scores that the decision rests on, those of earlier iterations too.
        gain: mean difference of the pairs, candidate minus incumbent; None without any.
        e_value: evidence that the candidate is better; None where none is counted.
    """

    accepted: bool
    reason: str
    score: float | None = None
    episodes: int = 0
    failed: int = 0
    pairs: int = 0
    gain: float | None = None
    e_value: float | None = None


class Gate(Protocol):
    """Decides whether a proposal is kept."""

    async def judge(self, incumbent: Mapping[str, str], candidate: Mapping[str, str], iteration: int) -> Verdict:
        """Compare two teams."""
        ...

    def state(self) -> list[Any]:
        """What later decisions depend on, as JSON-like values."""
        ...

    def restore(self, state: list[Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            KeyError, TypeError, ValueError: it is no such state.
        """
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """One question to a gate and its answer.

    Attributes:
        iteration: the training iteration.
        agents: whose policies the candidate changes.
        verdict: the answer.
    """

    iteration: int
    agents: tuple[str, ...]
    verdict: Verdict


async def decide(
    gate: Gate,
    scope: GateScope,
    incumbent: Policies,
    proposals: Sequence[Proposal],
    iteration: int,
    report: Callable[[Decision], None] | None = None,
) -> tuple[tuple[Proposal, ...], tuple[Decision, ...]]:
    """Ask the gate about proposals.

    Args:
        gate: decides.
        scope: "joint" asks once about all of them, "agent" once about each.
        incumbent: the present policies.
        proposals: as the optimizer made them.
        iteration: the training iteration.
        report: told of each decision.

    Returns:
        The proposals, those that were not taken as rejected ones; and the decisions, none if nothing new was proposed.
    """
    new = [one for one in proposals if one.outcome is Outcome.PROPOSED and one.new != incumbent[one.name]]
    team, decisions, refused = incumbent, list[Decision](), dict[str, str]()
    for group in [[one] for one in new] if scope == "agent" else [new] if new else []:
        candidate = team | {one.name: one.new for one in group}
        verdict = await gate.judge(team, candidate, iteration)
        decisions.append(Decision(iteration, tuple(one.name for one in group), verdict))
        if report is not None:
            report(decisions[-1])
        if verdict.accepted:
            team = candidate
        else:
            refused |= {one.name: verdict.reason for one in group}
    judged = tuple(one.rejected(refused[one.name]) if one.name in refused else one for one in proposals)
    return judged, tuple(decisions)
