"""Environments: rules in words, local observations for actors, a global view for critics only."""

from __future__ import annotations

from envs.base import ActionSpace, MultiAgentEnvironment, ParsedAction, StepOutcome
from envs.conformance import check_environment
from envs.registry import make, register

__all__ = [
    "ActionSpace",
    "MultiAgentEnvironment",
    "ParsedAction",
    "StepOutcome",
    "check_environment",
    "make",
    "register",
]
