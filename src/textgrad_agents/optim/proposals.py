"""Proposal: what an optimizer would change, before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable


class Outcome(StrEnum):
    """How the attempt to find a new value for one parameter ended."""

    PROPOSED = "proposed"
    """There is a new value."""
    UNCHANGED = "unchanged"
    """The optimizer keeps the present value."""
    NO_GRADIENT = "no_gradient"
    """There was no feedback, so no model was asked."""
    UNREADABLE = "unreadable"
    """The reply, and the reply to the request to repair it, held no usable value."""
    REJECTED = "rejected"
    """The new value breaks a check (also after the request to repair it), or was tried and not taken."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A hypothesis: this parameter would be better with that value.

    Attributes:
        parameter: the parameter.
        old: its value when the proposal was made.
        new: the value it would have; the old one unless the outcome is `proposed`.
        outcome: how the attempt ended.
        reason: why the outcome is what it is, in words.
        calls: model calls that it took.
        gradients: the feedback that it was made from.
        model: the model that wrote it, as it names itself.
        refused: the text of a rejected proposal.
    """

    parameter: Variable[Any]
    old: str
    new: str
    outcome: Outcome
    reason: str = ""
    calls: int = 0
    gradients: tuple[Gradient, ...] = ()
    model: str = ""
    refused: str = ""

    @property
    def name(self) -> str:
        """The parameter's name, or its role where it has none."""
        return self.parameter.name or self.parameter.role_description

    def rejected(self, reason: str) -> Proposal:
        """The same proposal after it was tried and not taken."""
        return replace(self, new=self.old, outcome=Outcome.REJECTED, reason=reason, refused=self.new)


@dataclass(frozen=True, slots=True)
class StepReport:
    """What a step did, one proposal per parameter, in their order."""

    proposals: tuple[Proposal, ...] = ()

    @property
    def changed(self) -> bool:
        """True if any parameter has a new value."""
        return any(one.outcome is Outcome.PROPOSED for one in self.proposals)

    @property
    def calls(self) -> int:
        """Model calls made."""
        return sum(one.calls for one in self.proposals)

    def count(self, outcome: Outcome) -> int:
        """Number of proposals with this outcome."""
        return sum(one.outcome is outcome for one in self.proposals)
