"""Rollout: a team plays an environment once; what happened is an Episode."""

from __future__ import annotations

import math
from dataclasses import replace

from envs.base import MultiAgentEnvironment, StepOutcome
from envs.faults import guarded
from textgrad_agents.errors import EnvError
from textgrad_agents.seeds import derive_seed
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory
from training.acting import Place, Team

ENVIRONMENT_SEEDS = 2**31  # simulators take 31-bit seeds


async def rollout(
    environment: MultiAgentEnvironment,
    team: Team,
    place: Place,
    *,
    episode_id: int = 0,
    iteration: int = 0,
    record: bool = True,
    decision_interval: int = 1,
) -> Episode:
    """Play one episode.

    An environment that fails ends the episode: what was recorded until then is kept, and `error` says what happened.

    Args:
        environment: reset and stepped here.
        team: decides.
        place: where in the run this is; all seeds derive from it.
        episode_id: number of the episode within its iteration.
        iteration: training iteration.
        record: False keeps the score and the length alone, and builds no text for critics.
        decision_interval: the team decides in every so many cycles; in those between, each agent goes on with its last
            action. Such steps have no observation and no messages.

    Raises:
        EngineError: the engine cannot be reached, refuses, or no longer serves these calls.
    """
    seed = derive_seed(*place, "environment") % ENVIRONMENT_SEEDS
    steps: dict[str, list[Step]] = {agent: [] for agent in environment.agents}
    cycles: list[Cycle] = []
    total, length, truncated, error = 0.0, 0, False, None
    decisions: list[Step] = []
    try:
        with guarded(environment.name, "start"):
            environment.reset(seed)
        for timestep in range(environment.max_cycles):
            with guarded(environment.name, "show itself"):
                before = (environment.describe_state(), environment.global_state()) if record else None
                going_on = _again(environment, decisions, timestep) if timestep % decision_interval else None
            decisions = await team.act(environment, timestep, place) if going_on is None else going_on
            with guarded(environment.name, "take a step"):
                outcome = environment.step({step.agent: step.action for step in decisions})
            reward = _mean_reward(environment, outcome, timestep)
            total += reward
            length += 1
            over = outcome.done or outcome.truncated
            if before is not None:
                for step in decisions:
                    steps[step.agent].append(replace(step, reward=outcome.rewards[step.agent]))
                if len(decisions) < len(outcome.rewards):
                    _reward_the_others(steps, decisions, outcome)
                cycles.append(Cycle(timestep, *before, reward, over))
            if over:
                truncated = not outcome.done
                break
    except EnvError as failure:
        error = str(failure)
    return Episode(
        episode_id=episode_id,
        iteration=iteration,
        seed=seed,
        environment=environment.parameters(),
        trajectories=tuple(Trajectory(agent, tuple(taken)) for agent, taken in steps.items()),
        cycles=tuple(cycles),
        total_reward=total,
        length=length,
        truncated=truncated,
        error=error,
    )


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
