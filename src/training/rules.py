"""Rules: the hand-written formulas that play without a model, by environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from envs.base import MultiAgentEnvironment
from training.acting import Rule
from training.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class PistonballRule:
    """Pistonball's rule with its two numbers. It can be sent to a worker process."""

    k: float
    tau: float

    def __call__(self, environment: MultiAgentEnvironment) -> Mapping[str, int | float]:
        """Actions by agent."""
        from envs.pistonball.environment import PistonballEnvironment
        from envs.pistonball.rule import rule_actions

        return rule_actions(cast("PistonballEnvironment", environment), k=self.k, tau=self.tau)


def rule_of(config: TrainingConfig) -> Rule | None:
    """The hand-written rule of the config's environment, if it has one."""
    settings = config.environment
    if settings.name != "pistonball" or settings.pictures:
        return None
    return PistonballRule(config.rule_k, config.rule_tau)
