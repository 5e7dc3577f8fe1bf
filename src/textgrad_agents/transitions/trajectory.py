"""Trajectory: one rollout of one agent, step by step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

from textgrad_agents import trajectory as records
from textgrad_agents.transitions import files
from textgrad_agents.transitions.returns import discounted_returns
from textgrad_agents.transitions.transition import Transition


class Identified(Protocol):
    """An environment, as far as it is asked for its task."""

    async def get_id(self) -> str:
        """An identifier of the task."""
        ...


class Trajectory(BaseModel):
    """One rollout.

    Attributes:
        traj_id: its id, or None.
        steps: the steps, in order.
        metadata: further facts (JSON-like), such as the ``env_id``.
    """

    model_config = ConfigDict(extra="forbid")

    traj_id: str | None = None
    steps: list[Transition] = Field(default_factory=list[Transition])
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])

    @property
    def failed(self) -> bool:
        """True if a step failed."""
        return any(step.failed for step in self.steps)

    @property
    def done(self) -> bool:
        """True if the episode came to its end."""
        return bool(self.steps) and self.steps[-1].done

    @property
    def total_reward(self) -> float:
        """Sum of all rewards."""
        return sum(step.reward for step in self.steps)

    def compute_discounted_returns(self, discount: float = 1.0) -> list[float]:
        """What was earned from each step on."""
        return discounted_returns([step.reward for step in self.steps], [step.done for step in self.steps], discount)

    @classmethod
    async def from_env(cls, env: Identified, **fields: Any) -> Self:
        """A trajectory without steps that knows its environment's task, if that has an id.

        Args:
            env: the environment.
            fields: further fields.
        """
        metadata = dict(fields.pop("metadata", {}))
        with suppress(NotImplementedError, ValueError):  # it has none
            metadata["env_id"] = await env.get_id()
        return cls(metadata=metadata, **fields)

    # -- files ---------------------------------------------------------------------------------------------------

    async def to_jsonl(self, filename: str | os.PathLike[str]) -> None:
        """Write to a file: the trajectory's id, then one step per line.

        A step with a part that cannot be written as JSON is written as a failed step that says so.
        """
        files.write(Path(filename), self.traj_id, self.metadata, self.steps)

    @classmethod
    def from_jsonl(cls, filename: str | os.PathLike[str]) -> Self:
        """Read from a file. States come back as JSON, actions as values without a graph.

        A last line that was cut off becomes a failed step; so the steps before it are not lost.

        Raises:
            FileFormatError: the file is missing, or damaged before its last line.
        """
        traj_id, metadata, steps = files.read(Path(filename))
        return cls(traj_id=traj_id, metadata=metadata, steps=steps)

    # -- records -------------------------------------------------------------------------------------------------

    def record(self, agent: str = "agent") -> records.Trajectory:
        """What learners read of it. The step that failed is not part of it.

        Args:
            agent: name of the agent.
        """
        return records.Trajectory(agent, tuple(step.record(agent) for step in self.steps if not step.failed))

    def episode(
        self,
        agent: str = "agent",
        *,
        episode_id: int = 0,
        iteration: int = 0,
        seed: int = 0,
        environment: Mapping[str, Any] | None = None,
    ) -> records.Episode:
        """The rollout as an episode with one agent, as all learners take it.

        Args:
            agent: name of the agent.
            episode_id: number of the episode within its iteration.
            iteration: training iteration.
            seed: the environment's seed.
            environment: its name and parameters.
        """
        sound = [step for step in self.steps if not step.failed]
        failures = [str(step.metadata["exception"]) for step in self.steps if step.failed]
        record = self.record(agent)
        return records.Episode(
            episode_id=episode_id,
            iteration=iteration,
            seed=seed,
            environment=dict(environment or {}),
            trajectories=(record,),
            cycles=tuple(
                records.Cycle(step.timestep, told.observation, {}, step.reward, step.done or step.truncated)
                for step, told in zip(sound, record.steps, strict=True)
            ),
            total_reward=sum(step.reward for step in sound),
            length=len(sound),
            truncated=bool(self.steps) and self.steps[-1].truncated,
            error=failures[-1] if failures else None,
            metadata={"traj_id": self.traj_id, **self.metadata},
        )
