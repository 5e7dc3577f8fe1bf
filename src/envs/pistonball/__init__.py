"""Pistonball: PettingZoo's table of pistons for agents that read and write text."""

from __future__ import annotations

from envs.pistonball.environment import PistonballEnvironment
from envs.pistonball.rule import rule_actions, rule_moves

__all__ = ["PistonballEnvironment", "rule_actions", "rule_moves"]
