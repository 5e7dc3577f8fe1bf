"""Callback: told of everything that happens in rollouts, training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.messages import Message
from textgrad_agents.tools import Tool
from textgrad_agents.transitions import Trajectory, Transition
from textgrad_agents.variables.variable import Variable


class Callback:
    """Base of all callbacks; every method does nothing. Callbacks are called one after the other, in their order.

    A callback that raises ends the rollout: its errors are not those of the agent or the environment.
    """

    async def before_rollout(self, traj_id: str, env: Environment[Any]) -> None:
        """A rollout begins."""

    async def after_env_reset(self, traj_id: str, obs: list[Message], tools: list[Tool]) -> None:
        """The environment was reset."""

    async def after_agent_init_state(self, traj_id: str, init_state: Any) -> None:
        """The agent made its first state."""

    async def before_transition(
        self, traj_id: str, agent: Agent[Any], env: Environment[Any], agent_state: Any, obs: list[Message]
    ) -> None:
        """A step begins."""

    async def after_agent_get_asv(
        self, traj_id: str, action: Variable[Any], next_agent_state: Any, value: float
    ) -> None:
        """The agent decided."""

    async def after_env_step(self, traj_id: str, obs: list[Message], reward: float, done: bool, trunc: bool) -> None:
        """The environment answered."""

    async def after_transition(
        self, traj_id: str, agent: Agent[Any], env: Environment[Any], transition: Transition
    ) -> None:
        """A step is complete, or failed."""

    async def after_rollout(self, traj_id: str, agent: Agent[Any], env: Environment[Any]) -> None:
        """A rollout ended, and its environment is closed."""

    async def after_train_step(self, trajectories: Sequence[Trajectory]) -> None:
        """A batch was collected and learned from."""

    async def before_eval_loop(self) -> None:
        """An evaluation begins."""

    async def after_eval_step(self, trajectories: Sequence[Trajectory]) -> None:
        """A batch of an evaluation was played."""

    async def after_eval_loop(self) -> None:
        """An evaluation ended."""

    async def after_update(self) -> None:
        """The optimizer made an update."""
