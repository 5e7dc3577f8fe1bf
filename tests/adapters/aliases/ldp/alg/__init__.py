from ldp import shims_of_objects  # noqa: F401 (patches)
from training.algorithms import bulk_evaluate_consensus, compute_pass_at_k, evaluate_consensus
from training.callbacks import (
    Callback,
    ClearContextCallback,
    ComputeTrajectoryMetricsMixin,
    MeanMetricsCallback,
    StoreEnvironmentsCallback,
    StoreTrajectoriesCallback,
    TrajectoryFileCallback,
)
from training.rollouts import BeamSearchRollout, RolloutManager, TreeSearchRollout
from training.runners import (
    Evaluator,
    EvaluatorConfig,
    OfflineTrainer,
    OfflineTrainerConfig,
    OnlineTrainer,
    OnlineTrainerConfig,
)

__all__ = [
    "BeamSearchRollout",
    "Callback",
    "ClearContextCallback",
    "ComputeTrajectoryMetricsMixin",
    "Evaluator",
    "EvaluatorConfig",
    "MeanMetricsCallback",
    "OfflineTrainer",
    "OfflineTrainerConfig",
    "OnlineTrainer",
    "OnlineTrainerConfig",
    "RolloutManager",
    "StoreEnvironmentsCallback",
    "StoreTrajectoriesCallback",
    "TrajectoryFileCallback",
    "TreeSearchRollout",
    "bulk_evaluate_consensus",
    "compute_pass_at_k",
    "evaluate_consensus",
    "to_network",
]


def to_network(*args: object, **kwargs: object) -> None:
    raise NotImplementedError("pictures of graphs are made by textgrad_agents.variables.show")
