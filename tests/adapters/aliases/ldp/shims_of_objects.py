"""What LDP's tests ask of ops and results that ours answer in another way: contexts, call ids, inputs with their graph.

Contexts are kept here by op and call, strongly, because the tests look for them; ours keep none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

import networkx

from textgrad_agents.errors import GradientStructureError
from textgrad_agents.ops.base import Op
from textgrad_agents.transitions import TransitionTree
from textgrad_agents.variables import BackwardContext, CallID, OpCall, Variable, running_call

RESULTS: dict[int, dict[CallID, Variable[Any]]] = {}
NAMES: dict[int, str] = {}

_apply = Op.apply
_get = BackwardContext.get
_compute_grads = Variable.compute_grads


class OpCtx:
    """What is kept of an op's calls."""

    _CTX_REGISTRY: ClassVar[dict[str, Any]] = {}

    def __init__(self, op: Op) -> None:
        self.op = op
        self.data = RESULTS.setdefault(id(op), {})

    def get(self, call_id: CallID, key: str, default: Any = ...) -> Any:
        result = self.data.get(call_id)
        if result is not None and key == "output":
            return result
        found = default if result is None else result.call.get(key, default)
        if found is ...:
            raise KeyError(f"key={key!r} not found")
        return found

    def update(self, call_id: CallID, key: str, value: Any) -> None:
        call = running_call()
        assert call.call_id == call_id
        call.update(key, value)

    def get_input_grads(self, call_id: CallID) -> Any:
        grads = self.data[call_id].call.get("grad_input")
        if grads is None:
            raise ValueError(f"No gradients have been computed for {call_id}")
        return grads

    @classmethod
    def clear_contexts(cls, op_names: Iterable[str] | None = None) -> None:
        wanted = None if op_names is None else set(op_names)
        for key, data in RESULTS.items():
            if wanted is None or NAMES[key] in wanted:
                data.clear()


def apply(self: Op, args: Any, kwargs: Any, **more: Any) -> Variable[Any]:
    NAMES[id(self)] = self.name
    result = _apply(self, args, kwargs, **more)
    if result.call is not None:
        RESULTS.setdefault(id(self), {})[result.call.call_id] = result
    return result


def get(self: BackwardContext, *args: Any, **kwargs: Any) -> Any:
    if args and isinstance(args[0], CallID):
        _, key, *args = args
        return self.output if key == "output" else _get(self, key, *args, **kwargs)
    return _get(self, *args, **kwargs)


def compute_grads(self: Variable[Any], *args: Any, **kwargs: Any) -> Any:
    """With LDP's words for another number of positional gradients than of arguments."""
    try:
        return _compute_grads(self, *args, **kwargs)
    except GradientStructureError as error:
        counts = re.search(r"(\d+) positional gradients for (\d+)", str(error))
        if counts is None:
            raise
        compared = "shorter" if int(counts[1]) < int(counts[2]) else "longer"
        raise ValueError(f"argument 2 is {compared} than argument 1") from error


def inputs(self: Variable[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of the call, with Variables where there were some."""
    call: OpCall = self.call
    args, kwargs = list(call.input_args), dict(call.input_kwargs)
    for path, variable in call.inputs:
        if len(path) == 1:
            (args if isinstance(path[0], int) else kwargs)[path[0]] = variable
    return args, kwargs


def tree(self: TransitionTree) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    for step_id in self.step_ids():
        graph.add_node(step_id)
        graph.add_edges_from((step_id, child) for child in self.children(step_id))
    return graph


def set_name(self: Op, name: str) -> None:
    self.name = name


Op.apply = apply
Op.ctx = property(OpCtx)
Op.set_name = set_name
Op.get_call_ids = lambda self, run_ids=None: {
    one for one in RESULTS.get(id(self), {}) if run_ids is None or one.run_id in run_ids
}
Op.get_input_grads = lambda self, call_id: self.ctx.get_input_grads(call_id)
Op.clear_ctx = lambda self: self.ctx.data.clear()
Op.__class_getitem__ = classmethod(lambda cls, kind: cls)
BackwardContext.get = get
Variable.call_id = property(lambda self: None if self.call is None else self.call.call_id)
Variable.op = property(lambda self: self.call.op)
Variable.op_class = property(lambda self: type(self.call.op))
Variable.op_name = property(lambda self: self.call.op.name)
Variable.ctx = property(lambda self: self.call.op.ctx)
Variable.logprob = property(lambda self: None if self.call is None else self.call.get("logprob"))
Variable.compute_grads = compute_grads
Variable.inputs = property(inputs)
TransitionTree.tree = property(tree)
