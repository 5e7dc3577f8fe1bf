"""The protocols that rooms meet at: Engine, Critic, Learner, Tracker.

The graph, the optimizers and the trainers are written against these, never against an implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from textgrad_agents.messages import Completion, Message

EngineRole = Literal["actor", "critic", "optimizer", "other"]
EpisodeT = TypeVar("EpisodeT", contravariant=True)


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How one call is sampled. None leaves a field to the engine.

    Attributes:
        temperature: sampling temperature.
        top_p: nucleus mass.
        max_tokens: cap on generated tokens.
        seed: seed of the call, derived from its place in the run.
        stop: stop sequences.
        tools: tool schemas in the wire form ``{"type": "function", "function": {…}}``.
        tool_choice: "auto", "none", "required", or a tool's name.
        response_schema: JSON schema that the reply must follow, for engines with `structured` true.
        role: which part the call plays; meters, budgets and events are kept by it.
        extra: provider parameters passed through as they are.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | None = None
    response_schema: Mapping[str, Any] | None = None
    role: EngineRole = "other"
    extra: Mapping[str, Any] = field(default_factory=dict)


DEFAULT_OPTIONS = GenerateOptions()


@runtime_checkable
class Engine(Protocol):
    """Anything that answers chat messages."""

    @property
    def name(self) -> str:
        """The engine's name as a user would write it."""
        ...

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`.

        Raises:
            EngineError: no usable answer; the message says why and what to do.
        """
        ...


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What one learner update did.

    Attributes:
        learner: the learner's name.
        changed: True if any parameter changed.
        calls: model calls made, by engine role.
        metrics: numbers to record.
        notes: sentences for the log, in order.
    """

    learner: str
    changed: bool = False
    calls: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Learner(Protocol[EpisodeT]):
    """Changes parameters from recorded episodes."""

    async def update(self, episodes: Sequence[EpisodeT]) -> UpdateReport:
        """Learn from `episodes`, all recorded under the present parameters."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything that `load` needs to go on exactly from here."""
        ...

    def load(self, folder: Path) -> None:
        """Restore what `save` wrote."""
        ...


class Tracker(Protocol):
    """An experiment tracker."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record numbers at a step."""
        ...

    def finish(self) -> None:
        """Flush and close."""
        ...
