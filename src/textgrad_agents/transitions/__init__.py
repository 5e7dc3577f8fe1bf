"""One agent's way through an environment, live: states, observations, actions with their graph, and trees of them.

`textgrad_agents.trajectory` is the record that learners read; `Trajectory.record` and `Trajectory.episode` make it.
"""

from textgrad_agents.transitions.returns import discounted_returns
from textgrad_agents.transitions.trajectory import Trajectory
from textgrad_agents.transitions.transition import Transition
from textgrad_agents.transitions.tree import TransitionTree

__all__ = ["Trajectory", "Transition", "TransitionTree", "discounted_returns"]
