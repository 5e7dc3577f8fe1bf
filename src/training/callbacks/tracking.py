"""Callbacks that send numbers to experiment trackers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from envs.dataset import TaskDataset
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Tracker
from textgrad_agents.transitions import Trajectory
from training.callbacks.metrics import Metrics, TrajectoryMetricsCallback, means


class TrackerCallback(TrajectoryMetricsCallback):
    """Sends means to an experiment tracker, as ``train/<metric>_mean`` and ``eval/<metric>_mean``.

    Args:
        tracker: the tracker.
        train_dataset, eval_dataset, track_tool_usage: see `TrajectoryMetricsCallback`.
    """

    def __init__(
        self,
        tracker: Tracker,
        train_dataset: TaskDataset[Any] | None = None,
        eval_dataset: TaskDataset[Any] | None = None,
        track_tool_usage: bool = False,
    ) -> None:
        super().__init__(train_dataset, eval_dataset, track_tool_usage)
        self._tracker = tracker
        self._step = 0

    async def after_train_step(self, trajectories: Sequence[Trajectory]) -> None:
        """Send the means of a batch."""
        await super().after_train_step(trajectories)
        self._step += 1
        if self._train_metrics is not None:
            self._send("train", self._train_metrics)

    async def after_eval_loop(self) -> None:
        """Send the means of an evaluation."""
        if self._eval_metrics:
            self._send("eval", self._eval_metrics)
        await super().after_eval_loop()

    def _send(self, kind: str, metrics: Metrics) -> None:
        self._tracker.log({f"{kind}/{name}_mean": value for name, value in means(metrics).items()}, self._step)


class WandBLoggingCallback(TrackerCallback):
    """Sends means to Weights & Biases; ``wandb.init()`` is the program's to call.

    Args:
        train_dataset, eval_dataset, track_tool_usage: see `TrajectoryMetricsCallback`.

    Raises:
        ConfigError: wandb is not installed.
    """

    def __init__(
        self,
        train_dataset: TaskDataset[Any] | None = None,
        eval_dataset: TaskDataset[Any] | None = None,
        track_tool_usage: bool = False,
    ) -> None:
        super().__init__(_WandB(), train_dataset, eval_dataset, track_tool_usage)


class _WandB:
    """Weights & Biases as a tracker."""

    def __init__(self) -> None:
        try:
            self._wandb: Any = importlib.import_module("wandb")
        except ImportError:
            raise ConfigError("logging to Weights & Biases needs wandb; install it") from None

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._wandb.log({**metrics, "train/step": step})

    def finish(self) -> None:
        self._wandb.finish()
