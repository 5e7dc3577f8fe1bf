"""Values with gradients: Variables, the graph they hold, and the walk back through it."""

from textgrad_agents.variables.call import BackwardContext, CallID, OpCall
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.graph import (
    abackward,
    acompute_grads,
    backward,
    compute_grads,
    topological_order,
)
from textgrad_agents.variables.modes import eval_mode, is_recording, no_grad, train_mode
from textgrad_agents.variables.runs import compute_graph, get_call_id, get_run_id
from textgrad_agents.variables.variable import Variable

__all__ = [
    "BackwardContext",
    "CallID",
    "Gradient",
    "OpCall",
    "Variable",
    "abackward",
    "acompute_grads",
    "backward",
    "compute_grads",
    "compute_graph",
    "eval_mode",
    "get_call_id",
    "get_run_id",
    "is_recording",
    "no_grad",
    "topological_order",
    "train_mode",
]
