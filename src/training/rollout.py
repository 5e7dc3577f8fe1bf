"""Rollout: a team plays an environment once; what happened is an Episode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from envs.base import MultiAgentEnvironment, StepOutcome
from envs.faults import guarded
from textgrad_agents.errors import EnvError
from textgrad_agents.seeds import derive_seed
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory
from training.acting import Place, Team

ENVIRONMENT_SEEDS = 2**31  # simulators take 31-bit seeds


class Keeper(Protocol):
    """Keeps an episode while it is played, so that it can go on after the process was killed."""

    @property
    def every(self) -> int:
        """After how many cycles it is kept, each time."""
        ...

    def begun(self) -> Episode | None:
        """The episode as far as it was kept before."""
        ...

    def keep(self, episode: Episode) -> None:
        """Keep the episode as far as it is played."""
        ...


async def rollout(
    environment: MultiAgentEnvironment,
    team: Team,
    place: Place,
    *,
    seed: int | None = None,
    episode_id: int = 0,
    iteration: int = 0,
    record: bool = True,
    decision_interval: int = 1,
    keeper: Keeper | None = None,
) -> Episode:
    """Play one episode.

    An environment that fails ends the episode: what was recorded until then is kept, and `error` says what happened.

    Args:
        environment: reset and stepped here.
        team: decides.
        place: where in the run this is; all seeds derive from it.
        seed: the environment's seed, if it is not that of the place.
        episode_id: number of the episode within its iteration.
        iteration: training iteration.
        record: False keeps the score and the length alone, and builds no text for critics.
        decision_interval: the team decides in every so many cycles; in those between, each agent goes on with its last
            action. Such steps have no observation and no messages.
        keeper: keeps the episode while it is played. The actions of an episode that was begun are taken again, and
            nobody is asked for them.

    Raises:
        EngineError: the engine cannot be reached, refuses, or no longer serves these calls.
    """
    seed = environment_seed(place) if seed is None else seed
    log = _Log(environment.agents)
    error: str | None = None
    try:
        with guarded(environment.name, "start"):
            environment.reset(seed)
        begun = None if keeper is None else keeper.begun()
        decisions = [] if begun is None else _repeat(environment, begun, log)
        for timestep in range(log.length, environment.max_cycles):
            with guarded(environment.name, "show itself"):
                before = (environment.describe_state(), environment.global_state()) if record else None
                going_on = _again(environment, decisions, timestep) if timestep % decision_interval else None
            decisions = await team.act(environment, timestep, place) if going_on is None else going_on
            with guarded(environment.name, "take a step"):
                outcome = environment.step({step.agent: step.action for step in decisions})
            log.add(environment, timestep, before, decisions, outcome)
            if log.over:
                break
            if keeper is not None and log.length % keeper.every == 0:
                keeper.keep(log.episode(episode_id, iteration, seed, environment))
    except EnvError as failure:
        error = str(failure)
    return replace(log.episode(episode_id, iteration, seed, environment), error=error)


def environment_seed(place: Place) -> int:
    """The environment's seed in an episode."""
    return derive_seed(*place, "environment") % ENVIRONMENT_SEEDS


class _Log:
    """What is recorded of an episode that is being played."""

    def __init__(self, agents: Sequence[str]) -> None:
        self.steps: dict[str, list[Step]] = {agent: [] for agent in agents}
        self.cycles: list[Cycle] = []
        self.total = 0.0
        self.length = 0
        self.over = self.truncated = False

    def add(
        self,
        environment: MultiAgentEnvironment,
        timestep: int,
        before: tuple[str, dict[str, Any]] | None,
        decisions: list[Step],
        outcome: StepOutcome,
    ) -> None:
        """Take in a cycle; `before` is what critics see of its beginning, None if only the score is wanted."""
        reward = _mean_reward(environment, outcome, timestep)
        self.total += reward
        self.length += 1
        self.over = outcome.done or outcome.truncated
        self.truncated = self.over and not outcome.done
        if before is None:
            return
        for step in decisions:
            self.steps[step.agent].append(replace(step, reward=outcome.rewards[step.agent]))
        if len(decisions) < len(outcome.rewards):
            _reward_the_others(self.steps, decisions, outcome)
        self.cycles.append(Cycle(timestep, *before, reward, self.over))

    def episode(self, episode_id: int, iteration: int, seed: int, environment: MultiAgentEnvironment) -> Episode:
        """The episode as far as it is played."""
        return Episode(
            episode_id=episode_id,
            iteration=iteration,
            seed=seed,
            environment=environment.parameters(),
            trajectories=tuple(Trajectory(agent, tuple(taken)) for agent, taken in self.steps.items()),
            cycles=tuple(self.cycles),
            total_reward=self.total,
            length=self.length,
            truncated=self.truncated,
        )


def _repeat(environment: MultiAgentEnvironment, begun: Episode, log: _Log) -> list[Step]:
    """Take the actions of an episode that was begun; returns the decisions of its last cycle."""
    decisions: list[Step] = []
    taken: dict[int, list[Step]] = {}
    for step in begun.steps():
        taken.setdefault(step.timestep, []).append(step)
    for cycle in begun.cycles:
        decisions = taken.get(cycle.timestep, [])
        with guarded(environment.name, "take a step"):
            outcome = environment.step({step.agent: step.action for step in decisions})
        log.add(environment, cycle.timestep, (cycle.text, dict(cycle.state)), decisions, outcome)
        if log.cycles[-1].reward != cycle.reward or log.over:
            raise EnvError(
                f"cycle {cycle.timestep} of the episode that was begun does not come out again: its reward was "
                f"{cycle.reward:g} and is {log.cycles[-1].reward:g}; remove its checkpoint to play it anew"
            )
    return decisions


def _again(environment: MultiAgentEnvironment, decisions: list[Step], timestep: int) -> list[Step] | None:
    """The last decisions once more; None if others are to act now, or an action is no longer open to its agent."""
    acting = environment.acting_agents
    if acting != tuple(step.agent for step in decisions):
        return None
    for step in decisions:
        if not environment.action_space_of(step.agent).parse(step.action_name).parsed:
            return None
    return [Step(agent=s.agent, timestep=timestep, action=s.action, action_name=s.action_name) for s in decisions]


def _reward_the_others(steps: dict[str, list[Step]], decisions: list[Step], outcome: StepOutcome) -> None:
    """What an agent earns in a cycle in which it did not act was earned with its last decision."""
    acted = {step.agent for step in decisions}
    for agent, reward in outcome.rewards.items():
        if reward and agent not in acted and steps[agent]:
            last = steps[agent][-1]
            steps[agent][-1] = replace(last, reward=(last.reward or 0.0) + reward)


def _mean_reward(environment: MultiAgentEnvironment, outcome: StepOutcome, timestep: int) -> float:
    """The mean over all agents.

    Raises:
        EnvError: an agent has no reward, or rewards are not finite numbers.
    """
    rewards = outcome.rewards
    unrewarded = [agent for agent in environment.agents if agent not in rewards]
    if unrewarded:
        raise EnvError(f"{environment.name} gave {', '.join(unrewarded)} no reward in cycle {timestep}")
    with guarded(environment.name, "give rewards that are numbers"):
        reward = sum(rewards.values()) / len(rewards)
        finite = math.isfinite(reward)
    if not finite:
        raise EnvError(f"{environment.name} gave the rewards {dict(rewards)} in cycle {timestep}; not all are finite")
    return reward
