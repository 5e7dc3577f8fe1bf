"""Locality: which agents stood where something could be done, in environments that give all of them one reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from textgrad_agents.errors import ConfigError
from textgrad_agents.trajectory import Cycle, Episode

Near: TypeAlias = Callable[[Cycle, Sequence[str]], frozenset[str]]
"""The agents that are near in a cycle, of all agents in the environment's order."""

REACH_PX = 100.0
_WALL_PX, _PISTON_PX = 40, 40  # of a Pistonball table


def pistons_near_ball(cycle: Cycle, agents: Sequence[str]) -> frozenset[str]:
    """Pistons whose middle is at most 100 px from the middle of the ball, along the row."""
    state: Mapping[str, Any] = cycle.state
    x = state["ball_position"][0]
    centres = [_WALL_PX + (i + 0.5) * _PISTON_PX for i in range(len(agents))]
    return frozenset(agent for agent, centre in zip(agents, centres, strict=True) if abs(centre - x) <= REACH_PX)


NEAR: Mapping[str, Near] = {"pistonball": pistons_near_ball}
"""By name of the environment."""


def near_of(episode: Episode, near: Near | None = None) -> dict[int, frozenset[str]]:
    """The agents that are near, by timestep.

    Raises:
        ConfigError: it is not known what near means in the episode's environment, or the episode has no cycles.
    """
    name = str(episode.environment.get("name", ""))
    rule = near or NEAR.get(name)
    if rule is None:
        raise ConfigError(f"credit by locality knows {', '.join(NEAR)}, not the environment {name!r}; pass near=…")
    found = {cycle.timestep: rule(cycle, episode.agents) for cycle in episode.cycles}
    if not found.keys() >= {step.timestep for step in episode.steps()}:
        raise ConfigError(
            f"credit by locality needs the cycles of episode {episode.episode_id}; record=True keeps them"
        )
    return found
