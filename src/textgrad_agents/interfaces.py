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
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


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
class Adapter:
    """Trained weights beside a model's own, by name: the value of a Variable that stands for weights.

    Attributes:
        name: its name at the engine that holds it.
        version: how often it has been updated.
        sha256: hash of its weights.
        base: hash of the base model's weights.
    """

    name: str
    version: int = 0
    sha256: str = ""
    base: str = ""

    def __str__(self) -> str:
        return f"{self.name} (version {self.version})"


@dataclass(frozen=True, slots=True)
class CriticInput:
    """One input of an op call, as a critic sees it.

    Attributes:
        name: the input's name within the call (``system_prompt``, ``messages.0``); unique in a request.
        role: its role description.
        value: its value (text, bytes of an image, or anything with a readable `str`).
        wanted: True if a gradient is asked for.
    """

    name: str
    role: str
    value: Any
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class CriticRequest:
    """What a critic needs to write the gradients of one op call.

    Attributes:
        op: the op's name.
        purpose: what the op does, in words.
        inputs: all inputs, in order.
        output: the output's value.
        output_role: the output's role description.
        feedback: downstream feedback on the output, in order. Empty: the output itself is the objective.
        messages: the conversation that was sent to a model, if the op called one.
        instruction: further advice to the critic.
    """

    op: str
    purpose: str
    inputs: tuple[CriticInput, ...]
    output: Any
    output_role: str
    feedback: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    instruction: str = ""


@dataclass(frozen=True, slots=True)
class Criticism:
    """A critic's gradient of one input: the words, and the context an optimizer should read them in."""

    text: str
    context: str | tuple[Any, ...] = ""


class Critic(Protocol):
    """Writes gradients in words."""

    async def criticise(self, request: CriticRequest) -> Mapping[str, Criticism]:
        """Gradients of the wanted inputs by name; an input that needs no change is left out."""
        ...


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What one learner update did.

    Attributes:
        learner: the learner's name.
        changed: True if any parameter changed.
        metrics: numbers to record.
        notes: sentences for the log, in order.
        credits: judgements to add to the episodes' records, by episode id (`trajectory.Credit`).
        files: texts that belong into the iteration's folder, by file name.
    """

    learner: str
    changed: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    notes: tuple[str, ...] = ()
    credits: Mapping[int, tuple[Any, ...]] = field(default_factory=dict[int, tuple[Any, ...]])
    files: Mapping[str, str] = field(default_factory=dict[str, str])


class Learner(Protocol[EpisodeT]):
    """Changes parameters from recorded episodes."""

    @property
    def name(self) -> str:
        """What it is called in reports, and the name of the folder that it is given to save into."""
        ...

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
