"""BeamSearchRollout: several samples of each step, of which only the best are gone on from."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple

from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.session import current_session
from textgrad_agents.transitions import Trajectory
from training.callbacks import Callback
from training.rollouts.failures import CaughtError, Clock, all_of, catching
from training.rollouts.stepping import Beginning, Stepper, failed_step

Score = Callable[[Trajectory], "Awaitable[float] | float"]


class Beam(NamedTuple):
    """A trajectory under way, its environment, and what the next step begins with."""

    trajectory: Trajectory
    env: Environment[Any]
    at: Beginning


class BeamSearchRollout:
    """Samples one trajectory per environment by beam search.

    Args:
        agent: the agent.
        beam_width: trajectories that are gone on from, and finished ones after which the search ends.
        samples_per_beam: samples of each step.
        env_clone_fn: copies an environment in the state in which it is (sync or async). Copies are closed.
        agent_clone_fn: copies an agent's state.
        scoring_fn: how good a trajectory is so far (sync or async); it becomes the value of its last step.
        replay_actions_on_clone: for environments that cannot be copied on their way: `env_clone_fn` gives a new one,
            reset, and the actions so far are repeated in it.
        callbacks: told of everything, also of what is not gone on from.
        catch_agent_failures, catch_env_failures: a sample that fails is not gone on from.
        timeout: seconds that one answer may take.

    Raises:
        ConfigError: a number is not positive.
    """

    def __init__(
        self,
        agent: Agent[Any],
        beam_width: int,
        samples_per_beam: int,
        env_clone_fn: Callable[[Any], Any],
        agent_clone_fn: Callable[[Any], Any],
        scoring_fn: Score,
        replay_actions_on_clone: bool = False,
        callbacks: Sequence[Callback] | None = None,
        catch_agent_failures: bool = True,
        catch_env_failures: bool = True,
        *,
        timeout: float | None = None,
    ) -> None:
        if beam_width < 1 or samples_per_beam < 1:
            raise ConfigError(
                f"beam_width and samples_per_beam must be at least 1, got {beam_width} and {samples_per_beam}"
            )
        self.agent = agent
        self.beam_width = beam_width
        self.samples_per_beam = samples_per_beam
        self.env_clone_fn = env_clone_fn
        self.agent_clone_fn = agent_clone_fn
        self.scoring_fn = scoring_fn
        self.replay_actions_on_clone = replay_actions_on_clone
        self.stepper = Stepper(
            agent,
            catch_agent_failures=catch_agent_failures,
            catch_env_failures=catch_env_failures,
            callbacks=callbacks,
            timeout=timeout,
        )

    async def sample_trajectories(
        self, environments: Sequence[Environment[Any]], max_steps: int | None = None
    ) -> list[Trajectory]:
        """The best trajectory found in each environment: one that came to its end before one that was cut.

        Args:
            environments: where the searches begin; they are reset, and closed at the end.
            max_steps: most steps of a trajectory.
        """
        if max_steps is not None and max_steps < 1:
            raise ConfigError(f"max_steps must be at least 1, got {max_steps}")
        session = current_session()
        searches: list[asyncio.Future[Trajectory]] = []
        for env in environments:
            with session.at_place("beam search"):
                searches.append(asyncio.ensure_future(self._search(env, max_steps)))
        return await all_of(searches)

    async def _search(self, env: Environment[Any], max_steps: int | None) -> Trajectory:
        traj_id = uuid.uuid4().hex
        clock = Clock()
        try:
            at = await self.stepper.begin(traj_id, env, clock)
            first = Beam(await self.stepper.named(traj_id, env), env, at)
            return await self._best(first, max_steps)
        except CaughtError as caught:
            failure = await self.stepper.finish(traj_id, env, failed_step(0, caught, clock))
            return Trajectory(traj_id=traj_id, steps=[failure])
        finally:
            await self.stepper.close(env, Clock())
            await self.stepper.end(traj_id, env)

    async def _best(self, first: Beam, max_steps: int | None) -> Trajectory:
        beams, finished, failed = [first], list[Trajectory](), list[Trajectory]()
        width = self.beam_width if self.samples_per_beam == 1 else 1  # one sample each: as many beginnings as beams
        beams *= width
        try:
            while beams and len(finished) < self.beam_width:
                grown = await self._all_grown(beams, max_steps)
                going_on: list[Beam] = []
                for beam in grown:
                    last = beam.trajectory.steps[-1]
                    if not (last.done or last.truncated):
                        going_on.append(beam)
                        continue
                    (failed if last.failed else finished).append(beam.trajectory)
                    await self._let_go([beam], first)
                going_on.sort(key=lambda beam: -beam.trajectory.steps[-1].value)
                await self._let_go([*going_on[self.beam_width :], *beams], first)
                beams = going_on[: self.beam_width]
        finally:
            await self._let_go(beams, first)
        if not finished:
            return failed[-1]
        return max(finished, key=lambda one: (not one.steps[-1].truncated, one.steps[-1].value))

    async def _all_grown(self, beams: Sequence[Beam], max_steps: int | None) -> list[Beam]:
        """Each beam with each of its samples of the next step."""
        samples: list[asyncio.Future[Beam]] = []
        for beam in beams:
            for _ in range(self.samples_per_beam):
                with current_session().at_place("sample"):
                    samples.append(asyncio.ensure_future(self._grown(beam, max_steps)))
        return await all_of(samples)

    async def _grown(self, beam: Beam, max_steps: int | None) -> Beam:
        """The beam with one more step."""
        traj_id = beam.trajectory.traj_id or ""
        number = len(beam.trajectory.steps)
        clock = Clock()
        env = beam.env
        try:
            with catching("environment", self.stepper.catch_env_failures):
                env = await self._cloned(beam)
            state = self.agent_clone_fn(beam.at.agent_state)
            step = await self.stepper.step(number, traj_id, env, state, beam.at.obs, clock)
            step.truncated = step.truncated or (number + 1 == max_steps and not step.done)
        except CaughtError as caught:
            step = failed_step(number, caught, clock, beam.at.agent_state, beam.at.obs)
        except BaseException:
            if env is not beam.env:
                await self.stepper.close(env, Clock())
            raise
        trajectory = beam.trajectory.model_copy(update={"steps": [*beam.trajectory.steps, step]})
        if not step.failed:
            score = self.scoring_fn(trajectory)
            step.value = await score if inspect.isawaitable(score) else score
        await self.stepper.finish(traj_id, env, step)
        return Beam(trajectory, env, Beginning(step.next_observation, step.next_agent_state))

    async def _cloned(self, beam: Beam) -> Environment[Any]:
        clone = self.env_clone_fn(beam.env)
        env: Environment[Any] = await clone if inspect.isawaitable(clone) else clone
        if self.replay_actions_on_clone:
            for step in beam.trajectory.steps:
                if step.action is not None:
                    await env.step(step.action.value)
        return env

    async def _let_go(self, beams: Iterable[Beam], first: Beam) -> None:
        """Close the copies of the environment that are no longer needed."""
        for env in {id(beam.env): beam.env for beam in beams if beam.env is not first.env}.values():
            await self.stepper.close(env, Clock())
