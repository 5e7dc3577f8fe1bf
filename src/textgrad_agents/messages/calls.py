"""Tool calls: what a model asks a tool to do.

On the wire the arguments of a call are a JSON text. A text that is no JSON object turns the call into one of
`INVALID_TOOL_NAME`, so that the model hears of its mistake instead of the program failing.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import BaseModel, field_serializer, model_validator

if TYPE_CHECKING:
    from textgrad_agents.tools import Tool

INVALID_TOOL_NAME = "INVALID"


class ToolCallFunction(BaseModel):
    """Name and arguments of a called tool. Arguments may be given as a JSON text and are written as one."""

    name: str
    arguments: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _read_arguments(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        given: dict[str, Any] = data  # pyright: ignore[reportUnknownVariableType]
        arguments = given.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            return given
        read = _parse(arguments)
        return {**given, "arguments": read} if read is not None else {"name": INVALID_TOOL_NAME}

    @field_serializer("arguments")
    def _write_arguments(self, arguments: dict[str, Any]) -> str:
        return json.dumps(arguments)

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}='{value}'" for name, value in self.arguments.items())
        return f"{self.name}({arguments})"


class ToolCall(BaseModel):
    """One tool call of an assistant message."""

    id: str
    type: Literal["function"] = "function"
    function: ToolCallFunction

    @staticmethod
    def generate_id() -> str:
        """A new id: 9 letters and digits, which every provider accepts."""
        return secrets.token_hex(5)[:9]

    @classmethod
    def from_tool(cls, tool: Tool, *args: Any, id: str | None = None, **kwargs: Any) -> Self:
        """A call of `tool`. Positional arguments are matched with its parameters; too many are dropped."""
        named = dict(zip(tool.info.get_properties(), args, strict=False))
        return cls.from_name(tool.info.name, id, **(kwargs | named))

    @classmethod
    def from_name(cls, function_name: str, id: str | None = None, **kwargs: Any) -> Self:
        """A call of the tool of this name."""
        return cls(id=id or cls.generate_id(), function=ToolCallFunction(name=function_name, arguments=kwargs))

    def __str__(self) -> str:
        return str(self.function)


def _parse(text: str | None) -> dict[str, Any] | None:
    """The object in a JSON text ({} for none at all), or None if it holds something else."""
    try:
        read: Any = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", read) if isinstance(read, dict) else None
