"""What an environment of several agents is.

The environment owns the rules in words, the local observation of each agent, and a global view that only critics may
read (centralized training, decentralized execution). It knows nothing of models or learning.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Action: TypeAlias = int | float | str
"""What an agent does: the number of an action, a number in a range, or a text (an answer)."""


@dataclass(frozen=True, slots=True)
class ParsedAction:
    """A reply read as an action.

    Attributes:
        value: what the environment's `step` takes.
        name: the action in words (``push_up``).
        parsed: False if the reply named no legal action and the neutral one was taken.
    """

    value: Action
    name: str
    parsed: bool = True


class ActionSpace(ABC):
    """The actions of one agent: how they are offered in a prompt and how a reply is read."""

    @property
    @abstractmethod
    def choices(self) -> Mapping[str, Action]:
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
        rewards: reward of each agent, in the order of agents.
        done: the episode ended by the rules.
        truncated: the episode was cut at its maximum length.
        info: further facts.
    """

    rewards: Mapping[str, float]
    done: bool = False
    truncated: bool = False
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])


class MultiAgentEnvironment(ABC):
    """An environment of several agents that act in cycles.

    In every cycle the agents of `acting_agents` act at the same time: all of them, unless they take turns or can die.
    """

    name: str
    agents: tuple[str, ...]
    action_space: ActionSpace
    max_cycles: int

    @property
    def acting_agents(self) -> tuple[str, ...]:
        """The agents that act in the coming cycle, in the order of `agents`; at least one until the episode ends."""
        return self.agents

    def action_space_of(self, agent: str) -> ActionSpace:
        """The actions open to an acting agent in the coming cycle: `action_space`, unless agents or cycles differ."""
        return self.action_space

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
        """The local observation of an acting agent as text."""

    def picture(self, agent: str) -> Any:
        """What an acting agent sees, as an array `(height, width)` or `(height, width, 3)` of uint8; None: text alone.

        Whoever is shown a picture is told the text of `observe` as well.
        """
        return None

    @abstractmethod
    def describe_state(self) -> str:
        """The global state in words. For critics only."""

    @abstractmethod
    def global_state(self) -> dict[str, Any]:
        """The global state as JSON-like data. For critics and records only."""

    @abstractmethod
    def step(self, actions: Mapping[str, Action]) -> StepOutcome:
        """Let the acting agents act once.

        Args:
            actions: an action for each of `acting_agents`, as their action spaces parse them.

        Returns:
            The rewards of all agents, those included that did not act.

        Raises:
            EnvError: it is not an action for each of them, or one is not open to its agent; nothing has changed then.
        """

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Name and parameters (JSON-like): enough to build the same environment again."""

    def yardstick(self) -> MultiAgentEnvironment:
        """The environment in which a team's score is taken: this one, unless scores here say nothing of the team.

        The rewards of a team that plays a zero-sum game against itself always add up to 0, however well it plays.
        """
        return self

    def close(self) -> None:  # noqa: B027 (most environments hold nothing)
        """Release what the environment holds."""

    def frames(self, seed: int, actions: Sequence[Mapping[str, Action]], *, scale: float = 0.5) -> Sequence[Any]:
        """Draw a recorded episode again: one RGB array `(height, width, 3)` uint8 per cycle.

        Raises:
            NotImplementedError: this environment has no pictures.
        """
        raise NotImplementedError(f"{self.name} draws no pictures")
