from enum import StrEnum

from textgrad_agents.optim import Example
from training.runners import APEOpt


class APEScoreFn(StrEnum):
    """What an output is worth."""

    REWARD = "reward"
    GRADIENT = "gradient"


__all__ = ["APEOpt", "APEScoreFn", "Example"]
