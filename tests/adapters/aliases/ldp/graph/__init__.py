from ldp.shims_of_objects import OpCtx
from textgrad_agents.memory import Memory
from textgrad_agents.ops import ConfigOp, FxnOp, IdentityOp, LLMCallOp, Op, PromptOp, StopGradOp
from textgrad_agents.ops.embedding import EmbeddingOp
from textgrad_agents.ops.memory import MemoryOp
from textgrad_agents.ops.squared_error import MSELossOp
from textgrad_agents.variables import (
    CallID,
    compute_graph,
    eval_mode,
    get_call_id,
    get_run_id,
    op_call,
    train_mode,
)
from textgrad_agents.variables import Variable as OpResult
from textgrad_agents.variables import is_recording as get_training_mode
from textgrad_agents.variables.modes import _recording

__all__ = [
    "CallID",
    "ConfigOp",
    "EmbeddingOp",
    "FxnOp",
    "IdentityOp",
    "LLMCallOp",
    "MSELossOp",
    "Memory",
    "MemoryOp",
    "Op",
    "OpCtx",
    "OpResult",
    "PromptOp",
    "StopGradOp",
    "compute_graph",
    "eval_mode",
    "get_call_id",
    "get_run_id",
    "get_training_mode",
    "op_call",
    "set_training_mode",
    "train_mode",
]


def set_training_mode(training: bool) -> None:
    _recording.set((training,))


def __getattr__(name: str) -> object:
    """Stands for what has no counterpart, so that a file's other tests can be collected."""
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})
