"""Callbacks of rollouts, training and evaluation."""

from training.callbacks.base import Callback
from training.callbacks.files import RolloutDebugDumpCallback, TrajectoryFileCallback
from training.callbacks.metrics import (
    ComputeTrajectoryMetricsMixin,
    LoggingCallback,
    MeanMetricsCallback,
    TrajectoryMetricsCallback,
    trajectory_metrics,
)
from training.callbacks.store import (
    ClearContextCallback,
    ClearOptimizerBuffersCallback,
    StoreEnvironmentsCallback,
    StoreTrajectoriesCallback,
)
from training.callbacks.terminal import TerminalPrintingCallback
from training.callbacks.tracking import TrackerCallback, WandBLoggingCallback

__all__ = [
    "Callback",
    "ClearContextCallback",
    "ClearOptimizerBuffersCallback",
    "ComputeTrajectoryMetricsMixin",
    "LoggingCallback",
    "MeanMetricsCallback",
    "RolloutDebugDumpCallback",
    "StoreEnvironmentsCallback",
    "StoreTrajectoriesCallback",
    "TerminalPrintingCallback",
    "TrackerCallback",
    "TrajectoryFileCallback",
    "TrajectoryMetricsCallback",
    "WandBLoggingCallback",
    "trajectory_metrics",
]
