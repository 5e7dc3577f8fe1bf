"""Environments: places where agents act.

`Environment` is for one agent that calls tools, `MultiAgentEnvironment` for several agents with rules in words, local
observations for actors and a global view for critics only.
"""

from __future__ import annotations

from envs.base import ActionSpace, MultiAgentEnvironment, ParsedAction, StepOutcome
from envs.conformance import check_environment
from envs.dataset import EnvsTaskDataset, TaskConfig, TaskDataset
from envs.dummy import DummyEnv, DummyEnvState, DummyTaskDataset
from envs.environment import Environment
from envs.functional import DynamicState, FunctionalEnvironment, fenv
from envs.registry import make, register
from envs.rendering import Frame, Renderer

__all__ = [
    "ActionSpace",
    "DummyEnv",
    "DummyEnvState",
    "DummyTaskDataset",
    "DynamicState",
    "Environment",
    "EnvsTaskDataset",
    "Frame",
    "FunctionalEnvironment",
    "MultiAgentEnvironment",
    "ParsedAction",
    "Renderer",
    "StepOutcome",
    "TaskConfig",
    "TaskDataset",
    "check_environment",
    "fenv",
    "make",
    "register",
]
