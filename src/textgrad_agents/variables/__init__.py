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
from textgrad_agents.variables.images import fetch_image
from textgrad_agents.variables.modes import eval_mode, is_recording, no_grad, train_mode
from textgrad_agents.variables.runs import compute_graph, get_call_id, get_run_id, op_call, running_call
from textgrad_agents.variables.serialize import graph_from_json, graph_to_json, load_graph, save_graph
from textgrad_agents.variables.show import show
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
    "fetch_image",
    "get_call_id",
    "get_run_id",
    "graph_from_json",
    "graph_to_json",
    "is_recording",
    "load_graph",
    "no_grad",
    "op_call",
    "running_call",
    "save_graph",
    "show",
    "topological_order",
    "train_mode",
]
