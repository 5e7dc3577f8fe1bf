"""What an optimization found, and how: plain values that are saved as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from textgrad_agents.files import write_json
from textgrad_agents.optim.proposals import Outcome, Proposal

SCHEMA_VERSION = 1

Decision: TypeAlias = Literal["accepted", "draft", "rejected", "none"]


@dataclass(frozen=True, slots=True)
class Score:
    """A mean score.

    Attributes:
        mean: mean over the examples scored; None if there are none.
        examples: how many were scored.
    """

    mean: float | None
    examples: int


@dataclass(frozen=True, slots=True)
class Change:
    """What was proposed for one parameter.

    Attributes:
        parameter: its name.
        outcome: how the attempt ended (an `Outcome`).
        text: the value proposed or refused; "" where there is none.
        reason: why, in words.
        model: the model that wrote it.
        feedback: the feedback that it was written from.
    """

    parameter: str
    outcome: str
    text: str
    reason: str
    model: str
    feedback: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """One round: a minibatch, its feedback, a proposal, a decision.

    Attributes:
        number: from 0.
        examples: places of the minibatch in the training set.
        score: the draft on the minibatch.
        changes: what was proposed, one per parameter.
        parent: version of the draft that the proposal was made from.
        version: version of the values proposed; the parent's if there was no proposal.
        decision: "accepted": they are the best from now on; "draft": ahead, but not shown to be better, so the next
            proposal is made from them; "rejected"; or "none" if nothing new was proposed.
        reason: why, in words.
        pairs: validation examples on which both were compared.
        difference: mean of the differences of their scores; None without a pair.
        e_value: evidence that the proposal is better, where the sequential test was asked.
        calls: engine calls made so far.
    """

    number: int
    examples: tuple[int, ...]
    score: Score
    changes: tuple[Change, ...]
    parent: str
    version: str
    decision: Decision
    reason: str
    pairs: int
    difference: float | None
    e_value: float | None
    calls: int


@dataclass(frozen=True, slots=True)
class OptimizeResult:
    """The outcome of `optimize`.

    Attributes:
        values: the best value of each parameter, by name; the parameters hold them too.
        initial: the values that it began with.
        draft: values that are ahead of the best but not shown to be better; the best ones if there are none.
        score: of the best values, over the validation examples that they were tried on.
        initial_score: of the initial values, likewise.
        rounds: what happened, in order.
        calls: engine calls made.
        stopped: why it ended.
        seed: its seed.
    """

    values: Mapping[str, str]
    initial: Mapping[str, str]
    draft: Mapping[str, str]
    score: Score
    initial_score: Score
    rounds: tuple[Round, ...]
    calls: int
    stopped: str
    seed: int

    @property
    def accepted(self) -> int:
        """Number of proposals accepted."""
        return sum(one.decision == "accepted" for one in self.rounds)

    def save(self, path: str | Path) -> None:
        """Write everything to a JSON file, atomically.

        Raises:
            OSError: the file cannot be written.
        """
        write_json(Path(path), {"schema_version": SCHEMA_VERSION, **asdict(self)})


def change_of(proposal: Proposal, name: str) -> Change:
    """The record of a proposal for the parameter of that name."""
    return Change(
        parameter=name,
        outcome=str(proposal.outcome),
        text=proposal.new if proposal.outcome is Outcome.PROPOSED else proposal.refused,
        reason=proposal.reason,
        model=proposal.model,
        feedback=tuple(_writable(gradient.text or "") for gradient in proposal.gradients),
    )


def _writable(text: str) -> str:
    """The same text without halves of characters, which no file can hold."""
    return text.encode(errors="replace").decode()
