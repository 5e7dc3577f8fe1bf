"""Optimizers: from the gradients of parameters to better values."""

from textgrad_agents.optim.acceptance import SequentialTest
from textgrad_agents.optim.ape import APE
from textgrad_agents.optim.base import Optimizer
from textgrad_agents.optim.chained import ChainedOptimizer
from textgrad_agents.optim.constraints import (
    AllowedWords,
    Check,
    ForbiddenWords,
    JSONSchema,
    MaxGrowth,
    MaxLength,
    NoControlCharacters,
    PlaceholdersKept,
)
from textgrad_agents.optim.descent import TGD, TextualGradientDescent
from textgrad_agents.optim.examples import Example
from textgrad_agents.optim.memory import MemoryOptimizer
from textgrad_agents.optim.proposals import Outcome, Proposal, StepReport

__all__ = [
    "APE",
    "TGD",
    "AllowedWords",
    "ChainedOptimizer",
    "Check",
    "Example",
    "ForbiddenWords",
    "JSONSchema",
    "MaxGrowth",
    "MaxLength",
    "MemoryOptimizer",
    "NoControlCharacters",
    "Optimizer",
    "Outcome",
    "PlaceholdersKept",
    "Proposal",
    "SequentialTest",
    "StepReport",
    "TextualGradientDescent",
]
