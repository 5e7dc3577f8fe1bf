"""TextGrad 0.1.8's names over this library: ``import textgrad_agents.compat.textgrad as tg``.

A program written for TextGrad runs as it is. Its calls run side by side, its gradients come in the same order every
time, a reply that cannot be read changes nothing, and importing it makes no folder and no log file.
"""

import logging

from textgrad_agents.compat.textgrad import (
    autograd,
    config,
    defaults,
    engine,
    engine_experimental,
    loss,
    model,
    optimizer,
    tasks,
    variable,
)
from textgrad_agents.compat.textgrad.autograd import aggregate, sum
from textgrad_agents.compat.textgrad.config import SingletonBackwardEngine, set_backward_engine
from textgrad_agents.compat.textgrad.engine import EngineLM, get_engine
from textgrad_agents.compat.textgrad.loss import TextLoss
from textgrad_agents.compat.textgrad.model import BlackboxLLM
from textgrad_agents.compat.textgrad.optimizer import TGD, TextualGradientDescent
from textgrad_agents.compat.textgrad.variable import Variable

__all__ = [
    "TGD",
    "BlackboxLLM",
    "EngineLM",
    "SingletonBackwardEngine",
    "TextLoss",
    "TextualGradientDescent",
    "Variable",
    "aggregate",
    "autograd",
    "config",
    "defaults",
    "engine",
    "engine_experimental",
    "get_engine",
    "logger",
    "loss",
    "model",
    "optimizer",
    "set_backward_engine",
    "singleton_backward_engine",
    "sum",
    "tasks",
    "variable",
]

logger = logging.getLogger(__name__)
singleton_backward_engine = SingletonBackwardEngine()
