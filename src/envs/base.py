"""What an environment of several agents is.

The environment owns the rules in words, the local observation of each agent, and a global view that only critics may
read (centralized training, decentralized execution). It knows nothing of models or learning.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ParsedAction:
    """A reply read as an action.

    Attributes:
        value: what the environment's `step` takes.
        name: the action in words (``push_up``).
        parsed: False if the reply named no legal action and the neutral one was taken.
    """

    value: int | float
    name: str
    parsed: bool = True


class ActionSpace(ABC):
    """The actions of one agent: how they are offered in a prompt and how a reply is read."""

    @property
    @abstractmethod
    def choices(self) -> Mapping[str, int | float]:
        """Named actions and their values, in the order they are offered."""

    @abstractmethod
    def describe(self) -> str:
        """The answer format for a prompt, one named action per line (``- 2 = push_up: …``)."""

    @abstractmethod
    def parse(self, reply: str) -> ParsedAction:
        """Read a reply; never raises (an unreadable reply gives the neutral action with `parsed` False)."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What one cycle did.

    Attributes:
        rewards: reward of each agent.
        done: the episode ended by the rules.
        truncated: the episode was cut at its maximum length.
        info: further facts.
    """

    rewards: Mapping[str, float]
    done: bool = False
    truncated: bool = False
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])


class MultiAgentEnvironment(ABC):
    """An environment in which all agents act in every cycle."""

    name: str
    agents: tuple[str, ...]
    action_space: ActionSpace
    max_cycles: int

    @property
    @abstractmethod
    def rules(self) -> str:
        """The rules of the game in words, for actors and critics. They never say which action is right."""

    def role_of(self, agent: str) -> str:
        """The role of an agent: agents of one role see and do the same kind of things (``piston_3``: ``piston``)."""
        return agent.rstrip("0123456789").rstrip("_-") or agent

    @abstractmethod
    def reset(self, seed: int) -> None:
        """Start an episode. The same seed gives the same episode for the same actions."""

    @abstractmethod
    def observe(self, agent: str) -> str:
        """The agent's local observation as text."""

    @abstractmethod
    def describe_state(self) -> str:
        """The global state in words. For critics only."""

    @abstractmethod
    def global_state(self) -> dict[str, Any]:
        """The global state as JSON-like data. For critics and records only."""

    @abstractmethod
    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        """Let all agents act once."""

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Name and parameters (JSON-like): enough to build the same environment again."""

    def close(self) -> None:  # noqa: B027 (most environments hold nothing)
        """Release what the environment holds."""

    def frames(self, seed: int, actions: Sequence[Mapping[str, int | float]], *, scale: float = 0.5) -> Sequence[Any]:
        """Draw a recorded episode again: one RGB array `(height, width, 3)` uint8 per cycle.

        Raises:
            NotImplementedError: this environment has no pictures.
        """
        raise NotImplementedError(f"{self.name} draws no pictures")
