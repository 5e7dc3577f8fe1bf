"""Episodes with synthetic token traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textgrad_agents.messages import TokenTrace, user
from textgrad_agents.trajectory import Credit, Cycle, Episode, Step, Trajectory


def trace(prompt: Sequence[int] = (1, 2), action: Sequence[int] = (3, 4), **changes: Any) -> TokenTrace:
    """A trace whose log-probabilities are -token/100."""
    fields: dict[str, Any] = {
        "prompt_ids": np.array(prompt, np.int32),
        "action_ids": np.array(action, np.int32),
        "logprobs": np.array(action, np.float32) / -100,
        "mask": np.ones(len(action), np.bool_),
        "base": "base",
    }
    return TokenTrace(**(fields | changes))


def step(agent: str, timestep: int, reward: float | None = 0.0, **changes: Any) -> Step:
    """A decision with a trace."""
    fields: dict[str, Any] = {
        "messages": (user(f"{agent} at {timestep}"),),
        "reply": "push",
        "finish": "stop",
        "trace": trace(),
        "policy_version": "p1",
    }
    return Step(agent=agent, timestep=timestep, reward=reward, **(fields | changes))


def episode(
    *runs: Sequence[Step],
    episode_id: int = 0,
    seed: int = 0,
    error: str | None = None,
    credits: Sequence[Credit] = (),
    environment: Mapping[str, Any] | None = None,
    state: Mapping[int, Mapping[str, Any]] | None = None,
) -> Episode:
    """An episode of one run per agent."""
    length = 1 + max((one.timestep for run in runs for one in run), default=-1)
    return Episode(
        episode_id=episode_id,
        seed=seed,
        environment=environment or {"name": "table"},
        trajectories=tuple(Trajectory(run[0].agent, tuple(run)) for run in runs),
        cycles=tuple(Cycle(t, "", (state or {}).get(t, {}), 0.0) for t in range(length)),
        length=length,
        error=error,
        credits=tuple(credits),
    )
