"""Putting Variables together; no model is asked, forward or backward."""

from __future__ import annotations

from collections.abc import Sequence

from textgrad_agents.compat.textgrad.autograd.function import OpFunction
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.ops import text


class Sum(OpFunction):
    """The values as one text, a line each; the feedback on it goes to each of them, once."""

    def forward(self, variables: Sequence[Variable]) -> Variable:
        """Put `variables` together."""
        return Variable.of(text.sum(list(variables)))


class Aggregate(OpFunction):
    """As `Sum`; the feedback that its parts receive forms a group, to be merged before an optimizer reads it."""

    def forward(self, variables: Sequence[Variable]) -> Variable:
        """Put `variables` together."""
        return Variable.of(text.aggregate(list(variables)))
