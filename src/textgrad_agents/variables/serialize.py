"""The whole graph as JSON, and back as a record that can be shown and traversed, but not run.

Variables are listed with inputs before their consumers, the result last. A value that is still the one that went into a
call is written once, and referred to where it was used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textgrad_agents.errors import FileFormatError, GraphError
from textgrad_agents.files import read_json, write_text
from textgrad_agents.validation import explain
from textgrad_agents.variables.call import BackwardContext, CallID, Input, OpCall
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.order import topological_order
from textgrad_agents.variables.values import decode, encode, reference
from textgrad_agents.variables.variable import Variable

SCHEMA_VERSION = 1
MAX_BYTES = 1_000_000_000


class RecordedOp:
    """The op of a graph that was loaded: a name.

    Attributes:
        name: the op's name.
        class_name: name of its class.
    """

    def __init__(self, name: str, class_name: str) -> None:
        self.name = name
        self.class_name = class_name

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Not possible.

        Raises:
            GraphError: always.
        """
        raise GraphError(
            f"{self.name} is part of a graph that was loaded; such a graph can be shown and traversed, not run backward"
        )


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class _Gradient(_Record):
    text: str | None
    number: Any
    origin: str
    context: Any
    used_as: str
    weight: float
    group: str | None


class _Call(_Record):
    op: str
    op_class: str
    call_id: tuple[int, int]
    site: tuple[str, int]
    inputs: list[tuple[Any, Annotated[int, Field(ge=0)]]]
    args: list[Any]
    kwargs: dict[str, Any]
    kept: dict[str, Any] | None


class _Variable(_Record):
    role: str
    name: str
    requires_grad: bool
    value: Any
    gradients: list[_Gradient]
    number: Any
    call: _Call | None


class _Graph(_Record):
    schema_version: Literal[1]
    variables: Annotated[list[_Variable], Field(min_length=1)]


def graph_to_json(root: Variable[Any]) -> dict[str, Any]:
    """The graph below a result as JSON; waits for the result if it is still being computed."""
    _ = root.value
    order = topological_order(root)
    place = {id(variable): index for index, variable in enumerate(order)}
    return {"schema_version": SCHEMA_VERSION, "variables": [_variable(variable, place) for variable in order]}


def graph_from_json(data: Any, *, what: str = "graph") -> Variable[Any]:
    """The result that was written, with everything below it.

    Args:
        data: what `graph_to_json` gave.
        what: what the data are to a user, for messages.

    Raises:
        FileFormatError: the data are no graph, or one of another schema version.
    """
    version = cast("dict[str, Any]", data).get("schema_version") if isinstance(data, dict) else None
    if isinstance(version, int) and version != SCHEMA_VERSION:
        raise FileFormatError(
            f"{what} has schema version {version}, this release reads {SCHEMA_VERSION}; write it anew"
        )
    try:
        records = _Graph.model_validate(data).variables
    except ValidationError as error:
        raise FileFormatError(f"{what} is no graph: {explain(error)}") from None
    made: list[Variable[Any]] = []
    values: list[Any] = []
    for index, record in enumerate(records):
        try:
            made.append(_restored(record, made, values))
        except (ValueError, TypeError, IndexError, RecursionError) as error:
            raise FileFormatError(f"{what}: variable {index} is damaged: {error}") from None
        values.append(made[-1].value)
    return made[-1]


def save_graph(root: Variable[Any], path: Path) -> None:
    """Write the graph below a result to a file."""
    write_text(path, json.dumps(graph_to_json(root), ensure_ascii=False, allow_nan=False, indent=1) + "\n")


def load_graph(path: Path) -> Variable[Any]:
    """Read a graph from a file.

    Raises:
        FileFormatError: the file is missing, damaged, or of another schema version.
    """
    return graph_from_json(read_json(path, what="graph file", max_bytes=MAX_BYTES), what=f"graph file {path}")


# -- writing ---------------------------------------------------------------------------------------------------------


def _variable(variable: Variable[Any], place: dict[int, int]) -> dict[str, Any]:
    return {
        "role": variable.role_description,
        "name": variable.name,
        "requires_grad": variable.requires_grad,
        "value": encode(variable.value),
        "gradients": [_gradient(one) for one in variable.gradients],
        "number": encode(variable.grad),
        "call": None if variable.call is None else _call(variable.call, place),
    }


def _gradient(gradient: Gradient) -> dict[str, Any]:
    return {
        "text": gradient.text,
        "number": encode(gradient.number),
        "origin": gradient.origin,
        "context": encode(gradient.context),
        "used_as": gradient.used_as,
        "weight": gradient.weight,
        "group": gradient.group,
    }


def _call(call: OpCall, place: dict[int, int]) -> dict[str, Any]:
    args, kwargs = (
        [encode(one) for one in call.input_args],
        {key: encode(one) for key, one in call.input_kwargs.items()},
    )
    for path, variable in call.inputs:
        if _at(call, path) is variable.value:
            _refer(args if isinstance(path[0], int) else kwargs, path, place[id(variable)])
    return {
        "op": call.op.name,
        "op_class": getattr(call.op, "class_name", type(call.op).__name__),
        "call_id": list(call.call_id),
        "site": list(call.site),
        "inputs": [[encode(list(path)), place[id(variable)]] for path, variable in call.inputs],
        "args": args,
        "kwargs": kwargs,
        "kept": None if call.kept is None else {key: encode(one) for key, one in call.kept.items()},
    }


def _at(call: OpCall, path: tuple[Any, ...]) -> Any:
    value: Any = call.input_args if isinstance(path[0], int) else call.input_kwargs
    for step in path:
        value = value[step]
    return value


def _refer(arguments: Any, path: tuple[Any, ...], index: int) -> None:
    """Put a reference to a variable in the place of its value within encoded arguments."""
    tree = arguments
    for step in path[:-1]:
        inner: Any = tree[step]
        if isinstance(inner, dict) and "$type" in inner:
            if inner["$type"] != "tuple":
                return  # inside a dict whose keys are no texts the value is written once more
            inner = cast("Any", inner["items"])
        tree = cast("Any", inner)
    tree[path[-1]] = reference(index)


# -- reading ---------------------------------------------------------------------------------------------------------


def _restored(record: _Variable, made: list[Variable[Any]], values: list[Any]) -> Variable[Any]:
    value = decode(record.value)
    if record.call is None:
        variable = Variable(value, requires_grad=record.requires_grad, role_description=record.role, name=record.name)
    else:
        call = _restored_call(record.call, made, values)
        variable = Variable[Any].result(call, value, pending=None, role=record.role, requires_grad=record.requires_grad)
        variable.name = record.name
    gradients = tuple(
        Gradient(one.text, decode(one.number), one.origin, decode(one.context), one.used_as, one.weight, one.group)
        for one in record.gradients
    )
    variable.set_gradients(gradients, decode(record.number))
    return variable


def _restored_call(record: _Call, made: list[Variable[Any]], values: list[Any]) -> OpCall:
    inputs: list[Input] = [(tuple(decode(path)), made[index]) for path, index in record.inputs]
    call = OpCall(RecordedOp(record.op, record.op_class), tuple(inputs), CallID(*record.call_id), record.site)
    call.input_args = [decode(one, values) for one in record.args]
    call.input_kwargs = {key: decode(one, values) for key, one in record.kwargs.items()}
    call.kept = None if record.kept is None else {key: decode(one) for key, one in record.kept.items()}
    return call
