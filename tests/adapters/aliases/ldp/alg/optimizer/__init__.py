from textgrad_agents.optim import Optimizer
from training.runners import APEOpt, MemoryOpt, PositiveMemoryOpt, default_optimizer_factory
from training.runners.optimizers import MemoryFactory

__all__ = ["APEOpt", "MemoryFactory", "MemoryOpt", "Optimizer", "PositiveMemoryOpt", "default_optimizer_factory"]
