"""One agent in one environment: how a rollout begins, goes on by one step, and ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message
from textgrad_agents.transitions import Trajectory, Transition
from textgrad_agents.variables.pending import stopping_what_is_begun
from training.callbacks import Callback
from training.rollouts.contract import answer, beginning, decision
from training.rollouts.failures import CaughtError, Clock, catching, within


class Beginning(NamedTuple):
    """What a rollout begins with: the first observation, and the agent's first state."""

    obs: list[Message]
    agent_state: Any


class Stepper:
    """Lets an agent act in environments, and tells callbacks of it.

    Args:
        agent: the agent.
        catch_agent_failures, catch_env_failures: raise what it (the environment) raises as `CaughtError`.
        callbacks: told of everything, in this order.
        timeout: seconds that one answer of the agent or the environment may take; None for any time.

    Raises:
        ConfigError: the timeout is no positive number.
    """

    def __init__(
        self,
        agent: Agent[Any],
        *,
        catch_agent_failures: bool = True,
        catch_env_failures: bool = True,
        callbacks: Sequence[Callback] | None = None,
        timeout: float | None = None,
    ) -> None:
        if timeout is not None and not timeout > 0:
            raise ConfigError(f"a timeout is a number of seconds above 0, not {timeout!r}")
        self.agent = agent
        self.catch_agent_failures = catch_agent_failures
        self.catch_env_failures = catch_env_failures
        self.callbacks: Sequence[Callback] = callbacks or ()
        self.timeout = timeout

    async def named(self, traj_id: str, env: Environment[Any]) -> Trajectory:
        """A trajectory without steps that knows its environment's task.

        Raises:
            CaughtError: the environment failed, and its failures are caught.
        """
        with catching("environment", self.catch_env_failures):
            return await within(self.timeout, Trajectory.from_env(env, traj_id=traj_id), "environment")

    async def begin(self, traj_id: str, env: Environment[Any], clock: Clock) -> Beginning:
        """Reset the environment and make the agent's first state.

        Raises:
            CaughtError: one of them failed, and its failures are caught.
        """
        for callback in self.callbacks:
            await callback.before_rollout(traj_id, env)
        with clock("env_reset"), catching("environment", self.catch_env_failures):
            obs, tools = beginning(await within(self.timeout, env.reset(), "environment"))
        for callback in self.callbacks:
            await callback.after_env_reset(traj_id, obs, tools)
        with clock("agent_init_state"), catching("agent", self.catch_agent_failures):
            agent_state = await within(self.timeout, self.agent.init_state(tools), "agent")
        for callback in self.callbacks:
            await callback.after_agent_init_state(traj_id, agent_state)
        return Beginning(obs, agent_state)

    async def step(
        self, timestep: int, traj_id: str, env: Environment[Any], agent_state: Any, obs: list[Message], clock: Clock
    ) -> Transition:
        """One step; callbacks hear of the transition when it is final (`finish`).

        Raises:
            CaughtError: the agent or the environment failed, and its failures are caught.
        """
        with clock("before_transition"):
            for callback in self.callbacks:
                await callback.before_transition(traj_id, self.agent, env, agent_state, obs)
        with clock("agent_get_asv"), catching("agent", self.catch_agent_failures), stopping_what_is_begun():
            given = await within(self.timeout, self.agent.get_asv(agent_state, obs), "agent")
            action, next_agent_state, value = decision(given)
            await action
        with clock("after_agent_get_asv"):
            for callback in self.callbacks:
                await callback.after_agent_get_asv(traj_id, action, next_agent_state, value)
        with clock("env_step"), catching("environment", self.catch_env_failures):
            answered = await within(self.timeout, env.step(action.value), "environment")
            next_obs, reward, done, truncated = answer(answered)
        with clock("after_env_step"):
            for callback in self.callbacks:
                await callback.after_env_step(traj_id, next_obs, reward, done, truncated)
        return Transition(
            timestep=timestep,
            agent_state=agent_state,
            next_agent_state=next_agent_state,
            observation=obs,
            next_observation=next_obs,
            action=action,
            reward=reward,
            truncated=truncated,
            done=done,
            value=value,
            metadata=dict(clock.seconds),
        )

    async def finish(self, traj_id: str, env: Environment[Any], step: Transition) -> Transition:
        """Tell the callbacks of a step that is final."""
        for callback in self.callbacks:
            await callback.after_transition(traj_id, self.agent, env, step)
        return step

    async def close(self, env: Environment[Any], clock: Clock) -> CaughtError | None:
        """Close an environment; gives its failure, if it failed and failures are caught."""
        try:
            with clock("env_close"), catching("environment", self.catch_env_failures):
                await within(self.timeout, env.close(), "environment")
        except CaughtError as caught:
            return caught
        return None

    async def end(self, traj_id: str, env: Environment[Any]) -> None:
        """Tell the callbacks that a rollout ended."""
        for callback in self.callbacks:
            await callback.after_rollout(traj_id, self.agent, env)


def failed_step(
    timestep: int, caught: CaughtError, clock: Clock, agent_state: Any = None, obs: Sequence[Message] = ()
) -> Transition:
    """The record of a failure: a last step without an action.

    Args:
        timestep: its number.
        caught: the failure.
        clock: what the parts of the step took.
        agent_state: the agent's state before it.
        obs: what the agent saw.
    """
    return Transition(
        timestep=timestep,
        agent_state=agent_state,
        observation=list(obs),
        next_observation=[],
        done=True,
        metadata={"exception": caught.text, "failed_part": caught.part, **clock.seconds},
    )
