"""Training: episodes are collected, learners learn from them, in words and in weights."""

from textgrad_agents.interfaces import Learner, UpdateReport
from training.config import TrainingConfig
from training.episode_generator import EpisodeGenerator
from training.episode_loader import EpisodeLoader
from training.formatter import TrajectoryFormatter
from training.monte_carlo import MonteCarloTrainer
from training.paradigms import ParadigmEvaluator
from training.policy_manager import PolicyManager
from training.recall import RecallBuffer
from training.rl_trainer import EvalCallback, ModelCheckpointer, RLTrainer
from training.textual import TextualLearner
from training.token_tracker import TokenTracker

__all__ = [
    "EpisodeGenerator",
    "EpisodeLoader",
    "EvalCallback",
    "Learner",
    "ModelCheckpointer",
    "MonteCarloTrainer",
    "ParadigmEvaluator",
    "PolicyManager",
    "RLTrainer",
    "RecallBuffer",
    "TextualLearner",
    "TokenTracker",
    "TrainingConfig",
    "TrajectoryFormatter",
    "UpdateReport",
]
