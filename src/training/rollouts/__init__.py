"""Rollouts of one agent that calls tools: one after the other, as trees, by beam search."""

from training.rollouts.beam import BeamSearchRollout
from training.rollouts.manager import RolloutManager
from training.rollouts.tree import TreeSearchRollout

__all__ = ["BeamSearchRollout", "RolloutManager", "TreeSearchRollout"]
