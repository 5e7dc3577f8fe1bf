"""Trajectories as JSON lines.

The first line says which trajectory it is, each of the others is one step. The first line of LDP's files, which is the
id alone, is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import parse_json, write_text
from textgrad_agents.messages import Message, ToolRequestMessage, ToolResponseMessage
from textgrad_agents.transitions.transition import Transition
from textgrad_agents.validation import explain
from textgrad_agents.variables.variable import Variable

SCHEMA_VERSION = 1

_COMPACT = (",", ":")
_IN_FULL = {"include_info": True, "deserialize_content": False}
_STATES = ("agent_state", "next_agent_state", "metadata")
_UNWRITABLE = (PydanticSerializationError, TypeError, ValueError, RecursionError)
_PLAIN = ("timestep", "reward", "truncated", "done", "value")


def write(path: Path, traj_id: str | None, metadata: Mapping[str, Any], steps: Sequence[Transition]) -> None:
    """Write a trajectory."""
    write_text(path, "\n".join([head_of(traj_id, metadata), *map(line_of, steps)]) + "\n")


def head_of(traj_id: str | None, metadata: Mapping[str, Any]) -> str:
    """The first line."""
    head = {"schema_version": SCHEMA_VERSION, "traj_id": traj_id, "metadata": to_jsonable_python(metadata)}
    return json.dumps(head, separators=_COMPACT)


def line_of(step: Transition) -> str:
    """A step as one line of JSON. What cannot be written is left out, and the step is a failed one that says why."""
    try:
        return json.dumps(_to_json(step, whole=True), allow_nan=False, separators=_COMPACT)
    except _UNWRITABLE as error:
        said = {"metadata": {"exception": unwritable(step, error)}}
        return json.dumps(_to_json(step, whole=False) | said, separators=_COMPACT)


def unwritable(step: Transition, error: Exception) -> str:
    """What is wrong with a step that cannot be written."""
    kinds = {type(one).__name__ for one in (step.agent_state, step.next_agent_state) if one is not None}
    return (
        f"step {step.timestep} cannot be written as JSON ({str(error).splitlines()[0]}); the agent's state is of the "
        f"type {' or '.join(sorted(kinds)) or 'None'}: make it a pydantic model, a dataclass or JSON-like data"
    )


def _to_json(step: Transition, *, whole: bool) -> dict[str, Any]:
    data: dict[str, Any] = {name: getattr(step, name) for name in _PLAIN}
    data["observation"] = [_message(one) for one in step.observation]
    data["next_observation"] = [_message(one) for one in step.next_observation]
    data["action"] = None if step.action is None else _action(step.action, whole=whole)
    for name in _STATES:
        data[name] = _jsonable(getattr(step, name)) if whole else None
    return data


def _jsonable(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, context=_IN_FULL, fallback=_value_of, warnings=False)
    return to_jsonable_python(value, by_alias=True, context=_IN_FULL, fallback=_value_of)


def _value_of(value: Any) -> Any:
    if isinstance(value, Variable):
        return cast("Variable[Any]", value).value
    raise TypeError(f"a {type(value).__name__} is not JSON-like")


def _message(message: Message) -> dict[str, Any]:
    fields = message.model_dump(mode="json", context=_IN_FULL)
    if fields.get("info") is None:
        fields.pop("info", None)
    return fields


def _action(action: Variable[Any], *, whole: bool) -> dict[str, Any]:
    value = action.value
    call = action.call
    plain = _message(value) if isinstance(value, Message) else _jsonable(value) if whole else repr(value)
    return {
        "value": plain,
        "call_id": None if call is None else list(call.call_id),
        "op_name": "" if call is None else call.op.name,
        "op_class_name": "" if call is None else getattr(call.op, "class_name", type(call.op).__name__),
        "logprob": None if call is None else call.get("logprob"),
    }


def read(path: Path) -> tuple[str | None, dict[str, Any], list[Transition]]:
    """Id, metadata and steps of a trajectory; a last line that was cut off is a failed step.

    Raises:
        FileFormatError: the file is missing, or damaged before its last line.
    """
    what = f"trajectory file {path}"
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FileFormatError(f"{what} cannot be read: {error.strerror or error}") from None
    whole = lines[-1] == b""  # a file that was written to its end ends with a line break
    rows = [line for line in lines if line.strip()]
    if not rows or (len(rows) == 1 and not whole):
        raise FileFormatError(f"{what} does not hold a first line with the trajectory's id")
    traj_id, metadata = _head(rows[0], what)
    steps: list[Transition] = []
    for number, row in enumerate(rows[1:], start=2):
        try:
            steps.append(_step(row))
        except (ValueError, RecursionError) as error:
            reason = explain(error) if isinstance(error, ValidationError) else str(error)
            if whole or number < len(rows):
                raise FileFormatError(f"{what}, line {number} is no step: {reason}") from None
            steps.append(_cut(len(steps), f"{what} is cut off in line {number}: {reason}"))
    return traj_id, metadata, steps


def _head(row: bytes, what: str) -> tuple[str | None, dict[str, Any]]:
    try:
        head: Any = parse_json(row)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{what}, line 1 is not JSON: {error}") from None
    if head is None or isinstance(head, str):
        return head, {}
    if not isinstance(head, dict) or "traj_id" not in head:
        raise FileFormatError(f"{what}, line 1 names no traj_id; is it a trajectory?")
    fields = cast("dict[str, Any]", head)
    version = fields.get("schema_version")
    if version != SCHEMA_VERSION:
        raise FileFormatError(f"{what} has schema version {version}, this release reads {SCHEMA_VERSION}")
    return fields["traj_id"], dict(fields.get("metadata") or {})


def _step(row: bytes) -> Transition:
    data: Any = json.loads(row, parse_constant=_no_number)
    if not isinstance(data, dict):
        raise ValueError("it is no object")
    fields = cast("dict[str, Any]", data)
    action = fields.pop("action", None)
    for name in ("observation", "next_observation"):
        fields[name] = [_message_of(one) for one in fields.get(name) or ()]
    return Transition.model_validate({**fields, "action": None if action is None else _restored(action)})


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _restored(action: Any) -> Variable[Any]:
    if not isinstance(action, dict) or "value" not in action:
        raise ValueError("its action has no value")
    value: Any = cast("dict[str, Any]", action)["value"]
    if isinstance(value, dict) and "role" in value:
        value = _message_of(value)
    return Variable(cast("Any", value), requires_grad=False, role_description="recorded action")


def _message_of(fields: Any) -> Message:
    """A message of the kind that its fields tell."""
    if not isinstance(fields, dict):
        raise ValueError("a message is no object")
    if "tool_calls" in fields:
        return ToolRequestMessage.model_validate(fields)
    return (ToolResponseMessage if "tool_call_id" in fields else Message).model_validate(fields)


def _cut(timestep: int, problem: str) -> Transition:
    return Transition(
        timestep=timestep, observation=[], next_observation=[], done=True, metadata={"exception": problem}
    )
