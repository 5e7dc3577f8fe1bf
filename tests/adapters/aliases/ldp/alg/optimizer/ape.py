from enum import StrEnum

from textgrad_agents.optim import Example
from training.runners import APEOpt


class APEScoreFn(StrEnum):
    """How outputs are judged; ours are judged by what they earned."""

    REWARD = "reward"
    GRADIENT = "gradient"


__all__ = ["APEOpt", "APEScoreFn", "Example"]
