"""What was tried before, for the optimizer's model to see: past values, past feedback, failed proposals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable

HistoryEntry = dict[str, str | list[str]]


class History:
    """The past attempts at one parameter.

    Args:
        values: momentum: so many values that the parameter had before are shown.
        feedback: gradient memory: the feedback of so many earlier steps is shown.
        failures: so many proposals that were refused are shown.
    """

    def __init__(self, *, values: int, feedback: int, failures: int) -> None:
        self._windows = (values, feedback, failures)
        self._attempts: list[Proposal] = []
        self.length = 0

    def add(self, proposal: Proposal) -> None:
        """Remember what became of a proposal."""
        self.length += 1
        self._attempts.append(proposal)
        shown = set[int]().union(*self._shown())
        self._attempts = [one for index, one in enumerate(self._attempts) if index in shown]

    def entries(self, parameter: Variable[Any]) -> list[HistoryEntry]:
        """What to show, oldest first; feedback that the parameter still holds is left to the present step."""
        present = {gradient.text for gradient in parameter.gradients}
        values, feedback, failures = self._shown()
        entries: list[HistoryEntry] = []
        for index, attempt in enumerate(self._attempts):
            entry: HistoryEntry = {}
            if index in values:
                entry["value"] = attempt.old
                entry["outcome"] = "replaced by a later value"
            if index in feedback:
                texts = [one.text or "" for one in attempt.gradients if one.text not in present]
                if texts:
                    entry["feedback"] = texts
            if index in failures:
                entry["proposal"] = attempt.refused
                entry["outcome"] = f"not taken: {attempt.reason}"
            if entry:
                entries.append(entry)
        return entries

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, as JSON-like values."""
        return {
            "length": self.length,
            "attempts": [
                {
                    "old": one.old,
                    "outcome": one.outcome.value,
                    "reason": one.reason,
                    "refused": one.refused,
                    "feedback": [gradient.text or "" for gradient in one.gradients],
                }
                for one in self._attempts
            ],
        }

    def restore(self, state: Mapping[str, Any], parameter: Variable[Any]) -> None:
        """Remember what `state` says of attempts at `parameter`.

        Raises:
            KeyError, TypeError, ValueError: it is no such state.
        """
        attempts = [
            Proposal(
                parameter,
                one["old"],
                one["old"],
                Outcome(one["outcome"]),
                one["reason"],
                gradients=tuple(Gradient(text=text) for text in one["feedback"]),
                refused=one["refused"],
            )
            for one in state["attempts"]
        ]
        self._attempts, self.length = attempts, int(state["length"])

    def _shown(self) -> tuple[set[int], set[int], set[int]]:
        values, feedback, failures = self._windows
        numbered = list(enumerate(self._attempts))
        return (
            _last(values, [index for index, one in numbered if one.outcome is Outcome.PROPOSED]),
            _last(feedback, [index for index, one in numbered if one.gradients]),
            _last(failures, [index for index, one in numbered if one.outcome is Outcome.REJECTED]),
        )


def _last(count: int, places: Sequence[int]) -> set[int]:
    return set(places[-count:]) if count else set()
