"""Any PettingZoo game for agents that read and write text, and the describers that put games into words."""

from __future__ import annotations

from envs.multi_agent.describer import DESCRIBERS, Describer
from envs.multi_agent.environment import PettingZooEnvironment
from envs.multi_agent.seats import Wording

__all__ = ["DESCRIBERS", "Describer", "PettingZooEnvironment", "Wording"]
