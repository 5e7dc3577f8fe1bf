"""Callbacks that keep things, and those that let go of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from envs.environment import Environment
from textgrad_agents.transitions import Trajectory
from training.buffers import ReplayBuffer
from training.callbacks.base import Callback


class StoreTrajectoriesCallback(Callback):
    """Keeps all trajectories in memory.

    Attributes:
        train_trajectories: those of training, in order.
        eval_trajectories: those of evaluations.
    """

    def __init__(self) -> None:
        self.train_trajectories: list[Trajectory] = []
        self.eval_trajectories: list[Trajectory] = []

    async def after_train_step(self, trajectories: Sequence[Trajectory]) -> None:
        """Keep them."""
        self.train_trajectories.extend(trajectories)

    async def after_eval_step(self, trajectories: Sequence[Trajectory]) -> None:
        """Keep them."""
        self.eval_trajectories.extend(trajectories)


class StoreEnvironmentsCallback(Callback):
    """Keeps the environment of each rollout.

    Attributes:
        traj_id_to_envs: environments by the trajectory's id.
    """

    def __init__(self) -> None:
        self.traj_id_to_envs: dict[str, Environment[Any]] = {}

    async def before_rollout(self, traj_id: str, env: Environment[Any]) -> None:
        """Keep it."""
        self.traj_id_to_envs[traj_id] = env


class ClearContextCallback(Callback):
    """Does nothing: a graph lives in its results here, and is gone with them. It is there for programs that name it.

    Args:
        op_names: not used.
    """

    def __init__(self, op_names: Iterable[str] | None = None) -> None:
        self.op_names = op_names


class ClearOptimizerBuffersCallback(Callback):
    """Empties replay buffers after each update.

    Args:
        buffers: the buffers.
    """

    def __init__(self, *buffers: ReplayBuffer) -> None:
        self._buffers = buffers

    async def after_update(self) -> None:
        """Empty them."""
        for buffer in self._buffers:
            buffer.clear()
