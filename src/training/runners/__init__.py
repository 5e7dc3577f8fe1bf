"""Runners: evaluate an agent that calls tools, and train it online or offline."""

from training.runners.config import EvaluatorConfig, OfflineTrainerConfig, OnlineTrainerConfig
from training.runners.evaluation import Evaluator
from training.runners.offline import OfflineTrainer
from training.runners.online import OnlineTrainer
from training.runners.optimizers import (
    APEOpt,
    MemoryOpt,
    OptimizerConfig,
    PositiveMemoryOpt,
    TextualOpt,
    default_optimizer_factory,
)

__all__ = [
    "APEOpt",
    "Evaluator",
    "EvaluatorConfig",
    "MemoryOpt",
    "OfflineTrainer",
    "OfflineTrainerConfig",
    "OnlineTrainer",
    "OnlineTrainerConfig",
    "OptimizerConfig",
    "PositiveMemoryOpt",
    "TextualOpt",
    "default_optimizer_factory",
]
