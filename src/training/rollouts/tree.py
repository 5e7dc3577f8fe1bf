"""TreeSearchRollout: every step is sampled several times, and each sample is gone on from."""

from __future__ import annotations

import asyncio
import inspect
import math
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message
from textgrad_agents.session import current_session
from textgrad_agents.transitions import TransitionTree
from training.callbacks import Callback
from training.rollouts.failures import CaughtError, Clock, all_of, catching
from training.rollouts.stepping import Stepper, failed_step

CloneEnv = Callable[[Any], "Awaitable[Any] | Any"]


@dataclass(slots=True)
class _Search:
    """One tree while it grows."""

    tree: TransitionTree
    max_depth: float
    hit: bool = False


class TreeSearchRollout:
    """Samples trees of transitions.

    Args:
        agent: the agent.
        branching_factor: samples of each step.
        env_clone_fn: copies an environment in the state in which it is (sync or async). Copies are closed.
        catch_agent_failures, catch_env_failures: record failures as failed steps; such a branch ends.
        callbacks: told of everything; a branch's id is that of its last step.
        concurrency_limit: most steps under way at once; None for all.
        target_reward: once a branch has earned so much, no other is gone on from.
        timeout: seconds that one answer may take.

    Raises:
        ConfigError: a number is not positive.
    """

    def __init__(
        self,
        agent: Agent[Any],
        branching_factor: int,
        env_clone_fn: CloneEnv,
        catch_agent_failures: bool = True,
        catch_env_failures: bool = True,
        callbacks: Sequence[Callback] | None = None,
        concurrency_limit: int | None = None,
        target_reward: float | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        if branching_factor < 1 or (concurrency_limit is not None and concurrency_limit < 1):
            raise ConfigError(
                f"branching_factor and concurrency_limit must be at least 1, got {branching_factor} and "
                f"{concurrency_limit}"
            )
        self.agent = agent
        self.branching_factor = branching_factor
        self.env_clone_fn = env_clone_fn
        self.target_reward = math.inf if target_reward is None else target_reward
        self.concurrency_limit = concurrency_limit
        self.stepper = Stepper(
            agent,
            catch_agent_failures=catch_agent_failures,
            catch_env_failures=catch_env_failures,
            callbacks=callbacks,
            timeout=timeout,
        )

    async def sample_trees(
        self, environments: Sequence[Environment[Any]], max_depth: int | None = None
    ) -> list[TransitionTree]:
        """One tree for each environment.

        Args:
            environments: where the trees begin; they are reset, and closed at the end.
            max_depth: most steps of a branch.
        """
        session = current_session()
        limit = self._limit()
        trees: list[asyncio.Future[TransitionTree]] = []
        for env in environments:
            with session.at_place("tree"):
                trees.append(asyncio.ensure_future(self._sample(env, max_depth, limit)))
        return await all_of(trees)

    async def sample_tree(self, env: Environment[Any], max_depth: int | None = None) -> TransitionTree:
        """The tree of one environment; otherwise as `sample_trees`."""
        return (await self.sample_trees([env], max_depth))[0]

    def _limit(self) -> asyncio.Semaphore | None:
        return None if self.concurrency_limit is None else asyncio.Semaphore(self.concurrency_limit)

    async def _sample(
        self, env: Environment[Any], max_depth: int | None, limit: asyncio.Semaphore | None
    ) -> TransitionTree:
        if max_depth is not None and max_depth < 1:
            raise ConfigError(f"max_depth must be at least 1, got {max_depth}")
        tree = TransitionTree(uuid.uuid4().hex)
        search = _Search(tree, math.inf if max_depth is None else max_depth)
        clock = Clock()
        try:
            obs, agent_state = await self.stepper.begin(tree.root_id, env, clock)
            await self._descend(search, tree.root_id, env, agent_state, obs, 0, 0.0, limit)
        except CaughtError as caught:
            step_id = f"{tree.root_id}:0"
            tree.add_transition(step_id, await self.stepper.finish(step_id, env, failed_step(0, caught, clock)))
        finally:
            await self.stepper.close(env, Clock())
            await self.stepper.end(tree.root_id, env)
        return tree

    async def _descend(
        self,
        search: _Search,
        parent: str,
        env: Environment[Any],
        agent_state: Any,
        obs: list[Message],
        timestep: int,
        earned: float,
        limit: asyncio.Semaphore | None,
    ) -> None:
        """Sample the steps after `parent`, and go on from each."""

        async def branch(number: int) -> None:
            step_id = f"{parent}:{number}"
            clone: Environment[Any] | None = None
            clock = Clock()
            try:
                if limit is not None:
                    await limit.acquire()
                try:
                    if search.hit:
                        return
                    with catching("environment", self.stepper.catch_env_failures):
                        clone = await self._cloned(env)
                    step = await self.stepper.step(timestep, step_id, clone, agent_state, obs, clock)
                    step.truncated = step.truncated or (timestep + 1 == search.max_depth and not step.done)
                except CaughtError as caught:
                    step = failed_step(timestep, caught, clock, agent_state, obs)
                finally:
                    if limit is not None:
                        limit.release()
                search.tree.add_transition(step_id, await self.stepper.finish(step_id, clone or env, step))
                total = earned + step.reward
                search.hit = search.hit or (not step.failed and total >= self.target_reward)
                if clone is not None and not (search.hit or step.done or step.truncated):
                    await self._descend(
                        search, step_id, clone, step.next_agent_state, step.next_observation, timestep + 1, total, limit
                    )
            finally:
                if clone is not None:
                    await self.stepper.close(clone, Clock())

        branches: list[asyncio.Future[None]] = []
        for number in range(0 if search.hit else self.branching_factor):
            with current_session().at_place("branch"):  # the task keeps its place
                branches.append(asyncio.ensure_future(branch(number)))
        await all_of(branches)

    async def _cloned(self, env: Environment[Any]) -> Environment[Any]:
        clone = self.env_clone_fn(env)
        return await clone if inspect.isawaitable(clone) else clone
