"""The record: what happened in an episode, once, for every reader.

A `Step` is one agent's decision, a `Trajectory` one agent's run, an `Episode` the run of all agents with the cycles of
the environment. Critics read it as text, numeric learners as tensors; both views are derived, nothing is kept twice.
"Unscored" is None, never 0. A rollout that failed is an Episode with `error` set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from textgrad_agents.messages import Finish, Message, TokenTrace, Usage
from textgrad_agents.situations import find_situation

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Credit:
    """What a critic says one agent's behaviour was worth.

    Attributes:
        agent: the agent judged.
        text: the judgement in words (the textual gradient of the agent's policy).
        score: the judgement as a number in [-1, 1], or None if the critic gave none.
        step: the timestep judged, or None for the whole episode.
        source: who judged (paradigm and critic's model).
    """

    agent: str
    text: str
    score: float | None = None
    step: int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One agent's decision.

    Attributes:
        agent: who decided.
        timestep: the cycle, from 0.
        observation: the agent's local observation as text.
        messages: the messages as sent to the engine; empty for agents without a model.
        reply: the engine's raw reply.
        finish: why the reply ended, None if no model answered.
        action: the action given to the environment.
        action_name: its name in words.
        parsed: False if the reply named no legal action and the neutral action was taken.
        usage: tokens of the call.
        trace: token ids and log-probabilities, where the engine records them.
        reward: the agent's reward of this cycle, None while unscored.
        policy_version: hash of the policy text (and adapter) that acted.
    """

    agent: str
    timestep: int
    observation: str = ""
    messages: tuple[Message, ...] = ()
    reply: str = ""
    finish: Finish | None = None
    action: Any = None
    action_name: str = ""
    parsed: bool = True
    usage: Usage = Usage()
    trace: TokenTrace | None = None
    reward: float | None = None
    policy_version: str = ""

    @property
    def situation(self) -> str | None:
        """The situation that the observation names, if it names one."""
        return find_situation(self.observation)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One agent's run, steps in order."""

    agent: str
    steps: tuple[Step, ...] = ()

    @property
    def total_reward(self) -> float:
        """Sum of the rewards of all scored steps."""
        return sum(step.reward for step in self.steps if step.reward is not None)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One step of the environment, seen from above (for critics, never for actors).

    Attributes:
        timestep: from 0.
        text: the global state before the actions, in words.
        state: the same as data (JSON-like).
        reward: mean reward over agents.
        done: True if the episode ended with this cycle.
    """

    timestep: int
    text: str
    state: Mapping[str, Any]
    reward: float
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """All agents' run in one environment.

    Attributes:
        episode_id: number of the episode within its iteration.
        iteration: training iteration it was collected in.
        seed: the environment's seed.
        environment: name and parameters of the environment (JSON-like).
        trajectories: one per agent, in the environment's order of agents.
        cycles: the environment's steps, in order; empty where only the score was wanted.
        total_reward: sum over cycles of the mean reward over agents.
        length: number of cycles.
        truncated: True if the episode was cut at its maximum length.
        error: what went wrong, or None.
        credits: critics' judgements, in the order they were made.
        metadata: further facts (JSON-like).
    """

    episode_id: int = 0
    iteration: int = 0
    seed: int = 0
    environment: Mapping[str, Any] = field(default_factory=dict[str, Any])
    trajectories: tuple[Trajectory, ...] = ()
    cycles: tuple[Cycle, ...] = ()
    total_reward: float = 0.0
    length: int = 0
    truncated: bool = False
    error: str | None = None
    credits: tuple[Credit, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in the environment's order."""
        return tuple(trajectory.agent for trajectory in self.trajectories)

    @property
    def usage(self) -> Usage:
        """Tokens of all decisions."""
        return sum((step.usage for step in self.steps()), Usage())

    def steps(self) -> Iterator[Step]:
        """All decisions, agent by agent."""
        for trajectory in self.trajectories:
            yield from trajectory.steps
