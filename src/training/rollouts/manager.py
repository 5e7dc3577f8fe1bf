"""RolloutManager: rollouts of one agent in many environments at once."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from typing import Any, TypeVar, overload

from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message
from textgrad_agents.session import current_session
from textgrad_agents.transitions import Trajectory
from training.callbacks import Callback
from training.rollouts.failures import CaughtError, Clock, all_of, stopped
from training.rollouts.stepping import Stepper, failed_step

logger = logging.getLogger(__name__)

EnvT = TypeVar("EnvT", bound=Environment[Any])

_LONGEST = 500  # characters of an exception in a summary


class RolloutManager:
    """Samples trajectories.

    A rollout in which the agent or the environment fails (raises, hangs, breaks its contract) ends with a failed step
    that holds the error's text and the seconds that each part took; the others go on. Environments are always closed.

    Args:
        agent: the agent.
        catch_agent_failures, catch_env_failures: record failures; otherwise the first one ends all rollouts.
        callbacks: told of everything.
        concurrency_limit: most rollouts under way at once; None for all.
        timeout: seconds that one answer of the agent or the environment may take; None for any time.

    Attributes:
        exceptions: how often each failure was met, by its text, in all rollouts of this manager.

    Raises:
        ConfigError: the limit or the timeout is not positive.
    """

    def __init__(
        self,
        agent: Agent[Any],
        catch_agent_failures: bool = True,
        catch_env_failures: bool = True,
        callbacks: Sequence[Callback] | None = None,
        concurrency_limit: int | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        if concurrency_limit is not None and concurrency_limit < 1:
            raise ConfigError(f"concurrency_limit must be at least 1, got {concurrency_limit}")
        self.agent = agent
        self.concurrency_limit = concurrency_limit
        self.exceptions: Counter[str] = Counter()
        self.stepper = Stepper(
            agent,
            catch_agent_failures=catch_agent_failures,
            catch_env_failures=catch_env_failures,
            callbacks=callbacks,
            timeout=timeout,
        )

    @overload
    async def sample_trajectories(
        self,
        *,
        environments: Iterable[Environment[Any]],
        max_steps: int | None = None,
        summarize_exceptions: bool = False,
    ) -> list[Trajectory]: ...
    @overload
    async def sample_trajectories(
        self,
        *,
        environment_factory: Callable[[], EnvT],
        batch_size: int = 1,
        max_steps: int | None = None,
        summarize_exceptions: bool = False,
    ) -> list[tuple[Trajectory, EnvT]]: ...
    async def sample_trajectories(
        self,
        *,
        environments: Iterable[Environment[Any]] | None = None,
        environment_factory: Callable[[], Any] | None = None,
        batch_size: int = 1,
        max_steps: int | None = None,
        summarize_exceptions: bool = False,
    ) -> Any:
        """Sample trajectories from given environments, or from new ones.

        Args:
            environments: one rollout in each.
            environment_factory: makes environments; in each of `batch_size` slots, one rollout follows the other until
                they have `max_steps` steps together (a single rollout without `max_steps`).
            batch_size: slots.
            max_steps: most steps of a rollout; the last one is marked as truncated.
            summarize_exceptions: log all failures together at the end instead of each as it happens.

        Returns:
            Trajectories in the order of `environments`; or pairs of trajectory and environment, slot by slot.

        Raises:
            ConfigError: both or none of `environments` and `environment_factory` are given, or a number is less than 1.
        """
        if (environments is None) == (environment_factory is None):
            raise ConfigError("sample_trajectories takes either environments=… or environment_factory=…")
        if batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {batch_size}")
        before = self.exceptions.copy()
        if environments is not None:
            found = {at: one async for at, one in self._stream(environments, max_steps, quiet=summarize_exceptions)}
            sampled: Any = [found[at] for at in sorted(found)]
        else:
            assert environment_factory is not None
            sampled = await self._in_slots(environment_factory, batch_size, max_steps, quiet=summarize_exceptions)
        if summarize_exceptions:
            self._summarize(self.exceptions - before)
        return sampled

    async def stream(
        self, environments: Iterable[Environment[Any]], max_steps: int | None = None
    ) -> AsyncGenerator[Trajectory]:
        """Trajectories as they finish; nothing of them is kept here.

        Environments are taken from the iterable when a rollout may begin, so that it may make them one by one.

        Args:
            environments: one rollout in each.
            max_steps: most steps of a rollout.

        Raises:
            ConfigError: `max_steps` is less than 1.
        """
        async for _, trajectory in self._stream(environments, max_steps, quiet=False):
            yield trajectory

    async def _stream(
        self, environments: Iterable[Environment[Any]], max_steps: int | None, *, quiet: bool
    ) -> AsyncGenerator[tuple[int, Trajectory]]:
        _check_steps(max_steps)
        session = current_session()  # one for all rollouts
        running: dict[asyncio.Task[Trajectory], int] = {}
        try:
            for at, env in enumerate(environments):
                with session.at_place("rollout"):  # the task keeps its place
                    running[asyncio.ensure_future(self._rollout(env, max_steps, quiet=quiet))] = at
                while self.concurrency_limit is not None and len(running) >= self.concurrency_limit:
                    for task in await _some(running):
                        yield running.pop(task), task.result()
            while running:
                for task in await _some(running):
                    yield running.pop(task), task.result()
        finally:
            await stopped(running)

    async def _in_slots(
        self, factory: Callable[[], EnvT], slots: int, max_steps: int | None, *, quiet: bool
    ) -> list[tuple[Trajectory, EnvT]]:
        _check_steps(max_steps)
        session = current_session()
        limit = asyncio.Semaphore(self.concurrency_limit or slots)

        async def slot() -> list[tuple[Trajectory, EnvT]]:
            sampled: list[tuple[Trajectory, EnvT]] = []
            left = max_steps
            while left is None or left > 0:
                async with limit:
                    env = factory()
                    with session.at_place("rollout"):
                        trajectory = await self._rollout(env, left, quiet=quiet)
                sampled.append((trajectory, env))
                if left is None:
                    break
                left -= max(1, len(trajectory.steps))
            return sampled

        tasks: list[asyncio.Future[list[tuple[Trajectory, EnvT]]]] = []
        for _ in range(slots):
            with session.at_place("slot"):
                tasks.append(asyncio.ensure_future(slot()))
        return [pair for pairs in await all_of(tasks) for pair in pairs]

    async def _rollout(self, env: Environment[Any], max_steps: int | None, *, quiet: bool) -> Trajectory:
        traj_id = uuid.uuid4().hex
        clock = Clock()
        agent_state: Any = None
        obs: list[Message] = []
        trajectory = Trajectory(traj_id=traj_id)
        try:
            trajectory = await self.stepper.named(traj_id, env)
            obs, agent_state = await self.stepper.begin(traj_id, env, clock)
            while True:
                clock = Clock()
                number = len(trajectory.steps)
                step = await self.stepper.step(number, traj_id, env, agent_state, obs, clock)
                step.truncated = step.truncated or (number + 1 == max_steps and not step.done)
                trajectory.steps.append(await self.stepper.finish(traj_id, env, step))
                if step.done or step.truncated:
                    break
                agent_state, obs = step.next_agent_state, step.next_observation
        except CaughtError as caught:
            self._log(traj_id, len(trajectory.steps), caught, quiet=quiet)
            failure = failed_step(len(trajectory.steps), caught, clock, agent_state, obs)
            trajectory.steps.append(await self.stepper.finish(traj_id, env, failure))
        finally:
            await self._close(trajectory, env, quiet=quiet)
            await self.stepper.end(traj_id, env)
        if trajectory.failed:
            self.exceptions[str(trajectory.steps[-1].metadata["exception"])[:_LONGEST]] += 1
        return trajectory

    async def _close(self, trajectory: Trajectory, env: Environment[Any], *, quiet: bool) -> None:
        """Close the environment; a failure is recorded in the failed step, or in one of its own."""
        clock = Clock()
        caught = await self.stepper.close(env, clock)
        if caught is None:
            return
        traj_id = trajectory.traj_id or ""
        self._log(traj_id, len(trajectory.steps), caught, quiet=quiet)
        if trajectory.failed:
            trajectory.steps[-1].metadata["close_exception"] = caught.text
        else:
            failure = failed_step(len(trajectory.steps), caught, clock)
            trajectory.steps.append(await self.stepper.finish(traj_id, env, failure))

    def _log(self, traj_id: str, timestep: int, caught: CaughtError, *, quiet: bool) -> None:
        if not quiet:
            logger.warning("rollout %s, step %d: the %s failed: %s", traj_id, timestep, caught.part, caught.text)
        logger.debug("rollout %s", traj_id, exc_info=caught.original)

    def _summarize(self, failures: Counter[str]) -> None:
        if failures:
            lines = [f"{count:>6} × {text}" for text, count in failures.most_common()]
            logger.warning("%d rollouts failed:\n%s", failures.total(), "\n".join(lines))


def _check_steps(max_steps: int | None) -> None:
    if max_steps is not None and max_steps < 1:
        raise ConfigError(f"max_steps must be at least 1, got {max_steps}")


async def _some(tasks: Iterable[asyncio.Task[Trajectory]]) -> set[asyncio.Task[Trajectory]]:
    """Those that are done, once at least one is."""
    return (await asyncio.wait([*tasks], return_when=asyncio.FIRST_COMPLETED))[0]
