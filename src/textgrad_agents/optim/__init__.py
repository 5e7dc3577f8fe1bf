"""Optimizers: from the gradients of parameters to better values."""

from textgrad_agents.optim.base import Optimizer
from textgrad_agents.optim.constraints import (
    Check,
    ForbiddenWords,
    JSONSchema,
    MaxGrowth,
    MaxLength,
    NoControlCharacters,
    PlaceholdersKept,
)
from textgrad_agents.optim.descent import TGD, TextualGradientDescent
from textgrad_agents.optim.proposals import Outcome, Proposal, StepReport

__all__ = [
    "TGD",
    "Check",
    "ForbiddenWords",
    "JSONSchema",
    "MaxGrowth",
    "MaxLength",
    "NoControlCharacters",
    "Optimizer",
    "Outcome",
    "PlaceholdersKept",
    "Proposal",
    "StepReport",
    "TextualGradientDescent",
]
