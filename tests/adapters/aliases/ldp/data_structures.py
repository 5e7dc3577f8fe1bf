from ldp import shims_of_objects  # noqa: F401 (patches)
from textgrad_agents.transitions import Trajectory, Transition, TransitionTree

__all__ = ["Trajectory", "Transition", "TransitionTree"]
