"""From words to a tool call: ``Action:`` and ``Action Input:`` lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any, cast

from textgrad_agents.errors import MalformedMessageError
from textgrad_agents.messages import Message, ToolCall, ToolRequestMessage
from textgrad_agents.tools import Tool

_THOUGHT = re.compile(r"Thought:[ \t]*(.*)")
_ACTION = re.compile(r"Action:[ \t]*(\S*)")
_INPUT = re.compile(r"Action Input:[ \t]*(.*)")


def parse_message(m: Message, tools: Sequence[Tool]) -> ToolRequestMessage:
    """The tool request that a message in words asks for: its first action with its first input.

    The input is a Python tuple, with or without its parentheses; texts need no quotes, unless they hold commas and the
    tool takes more than one argument. The first thought becomes the request's content.

    Args:
        m: the model's message.
        tools: what it may call.

    Raises:
        MalformedMessageError: no action is named, the tool is unknown, or the input does not fit its parameters.
    """
    text = m.content or ""
    action = _ACTION.search(text)
    if action is None:
        raise MalformedMessageError(f"the message has no line 'Action: NAME': {text[:200]!r}")
    name = action[1]
    tool = next((tool for tool in tools if tool.info.name == name), None)
    if tool is None:
        known = ", ".join(tool.info.name for tool in tools)
        raise MalformedMessageError(f"the action {name!r} is none of the tools {known}")
    given = _INPUT.search(text, action.end())
    arguments = _arguments("" if given is None else given[1].strip(), tool)
    thought = _THOUGHT.search(text)
    return ToolRequestMessage(
        content=thought[1].strip() if thought else None, tool_calls=[ToolCall.from_tool(tool, *arguments)]
    )


def _arguments(text: str, tool: Tool) -> tuple[Any, ...]:
    names = list(tool.info.get_properties())
    required = tool.info.parameters.required if tool.info.parameters is not None else []
    only = tool.info.get_properties()[names[0]].get("type", "string") if len(names) == 1 else None
    values = _values(text, only)
    if not len(required) <= len(values) <= len(names):
        raise MalformedMessageError(
            f"{tool.info.name} takes {', '.join(names) or 'no arguments'}, and the input {text!r} holds {len(values)}"
        )
    return values


def _values(text: str, only: str | None) -> tuple[Any, ...]:
    """The values in an input.

    Args:
        text: the input.
        only: type of the tool's argument if it takes just one, so that commas may belong to it.
    """
    if not text:
        return ()
    bracketed = text.startswith("(") and text.endswith(")")
    inner = text[1:-1] if bracketed else text
    found, read = _literal(text if bracketed else f"({text},)")
    if read:
        values = cast("tuple[Any, ...]", found if isinstance(found, tuple) else (found,))
        if only is None or len(values) < 2 or only in ("integer", "number", "boolean"):
            return values
        return (list(values),) if only == "array" else (text,)
    if only is not None:
        return (_value(inner),)
    return tuple(_value(part.strip()) for part in inner.split(",") if part.strip())


def _value(text: str) -> Any:
    value, read = _literal(text)
    return value if read else text


def _literal(text: str) -> tuple[Any, bool]:
    """The Python literal in a text, and whether there is one."""
    try:
        return ast.literal_eval(text), True
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None, False
