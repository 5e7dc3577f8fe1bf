"""Numbers of trajectories: rewards, lengths, failures, tools."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from envs.dataset import TaskDataset
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message
from textgrad_agents.tools import Tool
from textgrad_agents.transitions import Trajectory
from training.callbacks.base import Callback

logger = logging.getLogger(__name__)

Metrics = dict[str, list[float]]


def trajectory_metrics(trajectories: Sequence[Trajectory], tools: Collection[str | Tool] = ()) -> Metrics:
    """One number per trajectory for each metric.

    ``reward`` is the sum of rewards, ``truncation_rate`` the number of steps that were cut, ``avg_value`` the mean
    value estimate, ``num_steps`` the number of steps, ``failures`` 1 for a failed trajectory, ``tool_<name>`` the
    number of calls of a tool.

    Args:
        trajectories: the trajectories.
        tools: tools whose calls are counted.
    """
    metrics: Metrics = {
        "reward": [one.total_reward for one in trajectories],
        "truncation_rate": [float(sum(step.truncated for step in one.steps)) for one in trajectories],
        "avg_value": [sum(step.value for step in one.steps) / max(1, len(one.steps)) for one in trajectories],
        "num_steps": [float(len(one.steps)) for one in trajectories],
        "failures": [float(one.failed) for one in trajectories],
    }
    for tool in tools:
        name = tool.info.name if isinstance(tool, Tool) else tool
        metrics[f"tool_{name}"] = [float(_calls(one, name)) for one in trajectories]
    return metrics


def _calls(trajectory: Trajectory, tool: str) -> int:
    actions = [step.action.value for step in trajectory.steps if step.action is not None]
    called = [call for one in actions if isinstance(one, Message) for call in one.tool_calls or ()]
    return sum(call.function.name == tool for call in called)


class ComputeTrajectoryMetricsMixin:
    """For datasets that have metrics of their own: override `compute_trajectory_metrics`.

    Attributes:
        tools_to_track: tools whose calls are counted.
    """

    tools_to_track: Collection[str | Tool] = frozenset()

    def compute_trajectory_metrics(self, trajectories: Sequence[Trajectory]) -> Metrics:
        """One number per trajectory for each metric."""
        return trajectory_metrics(trajectories, self.tools_to_track)


class TrajectoryMetricsCallback(Callback):
    """Computes the metrics of training batches and of whole evaluations.

    A dataset that has metrics of its own (`ComputeTrajectoryMetricsMixin`) is asked for them.

    Args:
        train_dataset: the dataset of training; without one, training is not measured.
        eval_dataset: the dataset of evaluations; without one, evaluations are not measured.
        track_tool_usage: count the calls of each tool that the environments offer.
    """

    def __init__(
        self,
        train_dataset: TaskDataset[Any] | None = None,
        eval_dataset: TaskDataset[Any] | None = None,
        track_tool_usage: bool = False,
    ) -> None:
        self._train_dataset = train_dataset
        self._eval_dataset = eval_dataset
        self._track_tool_usage = track_tool_usage
        self._tools: dict[str, None] = {}
        self._train_metrics: Metrics | None = None
        self._eval_metrics: Metrics = {}

    async def after_env_reset(self, traj_id: str, obs: list[Message], tools: list[Tool]) -> None:
        """Note which tools there are."""
        if self._track_tool_usage:
            self._tools.update(dict.fromkeys(tool.info.name for tool in tools))

    async def after_train_step(self, trajectories: Sequence[Trajectory]) -> None:
        """Measure a batch of training."""
        if self._train_dataset is not None:
            self._train_metrics = self._measured(self._train_dataset, trajectories)

    async def after_eval_step(self, trajectories: Sequence[Trajectory]) -> None:
        """Measure a batch of an evaluation."""
        if self._eval_dataset is not None:
            for name, values in self._measured(self._eval_dataset, trajectories).items():
                self._eval_metrics.setdefault(name, []).extend(values)

    async def after_eval_loop(self) -> None:
        """Begin anew with the next evaluation."""
        self._eval_metrics = {}

    def _measured(self, dataset: TaskDataset[Any], trajectories: Sequence[Trajectory]) -> Metrics:
        if isinstance(dataset, ComputeTrajectoryMetricsMixin):
            own = dataset.compute_trajectory_metrics(trajectories)
            counted = trajectory_metrics(trajectories, self._tools)
            return {**{name: values for name, values in counted.items() if name.startswith("tool_")}, **own}
        return trajectory_metrics(trajectories, self._tools)


class MeanMetricsCallback(TrajectoryMetricsCallback):
    """Means of all metrics: of the last batch of training (`train_means`) and the last evaluation (`eval_means`)."""

    _train_means: dict[str, float] | None = None
    _eval_means: dict[str, float] | None = None

    async def after_train_step(self, trajectories: Sequence[Trajectory]) -> None:
        """Take the means of a batch."""
        await super().after_train_step(trajectories)
        if self._train_metrics is not None:
            self._train_means = means(self._train_metrics)

    async def after_eval_loop(self) -> None:
        """Take the means of an evaluation."""
        if self._eval_metrics:
            self._eval_means = means(self._eval_metrics)
        await super().after_eval_loop()

    @property
    def train_means(self) -> dict[str, float]:
        """Means of the last batch of training.

        Raises:
            ConfigError: there was none yet, or no `train_dataset` was given.
        """
        return _there(self._train_means, "a batch of training, with a train_dataset given")

    @property
    def eval_means(self) -> dict[str, float]:
        """Means of the last evaluation.

        Raises:
            ConfigError: there was none yet, or no `eval_dataset` was given.
        """
        return _there(self._eval_means, "an evaluation, with an eval_dataset given")


class LoggingCallback(MeanMetricsCallback):
    """Logs means after each batch of training and each evaluation.

    Args:
        train_dataset, eval_dataset: see `TrajectoryMetricsCallback`.
        metrics_to_log: names of metrics; all if None or empty.
    """

    def __init__(
        self,
        train_dataset: TaskDataset[Any] | None = None,
        eval_dataset: TaskDataset[Any] | None = None,
        metrics_to_log: Collection[str] | None = None,
    ) -> None:
        super().__init__(train_dataset, eval_dataset)
        self.metrics_to_log = frozenset(metrics_to_log or ())

    async def after_train_step(self, trajectories: Sequence[Trajectory]) -> None:
        """Log the means of a batch."""
        await super().after_train_step(trajectories)
        self._log("training", self._train_means)

    async def after_eval_loop(self) -> None:
        """Log the means of an evaluation."""
        await super().after_eval_loop()
        self._log("evaluation", self._eval_means)

    def _log(self, what: str, values: Mapping[str, float] | None) -> None:
        wanted = {k: v for k, v in (values or {}).items() if not self.metrics_to_log or k in self.metrics_to_log}
        if wanted:
            logger.info("%s: %s", what, ", ".join(f"{name} {value:.5g}" for name, value in wanted.items()))


def means(metrics: Metrics) -> dict[str, float]:
    """The mean of each metric; a metric without values has none."""
    return {name: sum(values) / len(values) for name, values in metrics.items() if values}


def _there(values: dict[str, float] | None, when: str) -> dict[str, float]:
    if values is None:
        raise ConfigError(f"there are means after {when}; there was none yet")
    return values
