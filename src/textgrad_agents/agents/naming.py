"""The ops of an agent, by where they are: ``_llm_call_op``, ``_react_module.prompt_op``, ``steps.0``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, cast

from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import Message
from textgrad_agents.ops.base import Op
from textgrad_agents.tools import Tool
from textgrad_agents.variables.variable import Variable

_CLOSED = (type, ModuleType, Engine, Variable, Message, Tool, str, bytes, int, float)
_FOREIGN = frozenset({"asyncio", "numpy", "peft", "tokenizers", "torch", "threading", "transformers"})


def find_ops(root: object) -> Iterator[tuple[str, Op]]:
    """Every op in the attributes of an object, in dicts and sequences there, and in their attributes, each once.

    What engines, messages and values hold is theirs, and so is what libraries hold.
    """
    waiting: list[tuple[str, object]] = [("", root)]
    seen: set[int] = set()
    while waiting:
        path, value = waiting.pop()
        if id(value) in seen or isinstance(value, _CLOSED) or type(value).__module__.partition(".")[0] in _FOREIGN:
            continue
        seen.add(id(value))
        if isinstance(value, Op) and value is not root:
            yield path, value
            continue
        inner = [(f"{path}.{name}" if path else str(name), one) for name, one in _parts(value)]
        waiting.extend(reversed(inner))


def _parts(value: object) -> list[tuple[object, Any]]:
    if isinstance(value, Mapping):
        return list(cast("Mapping[object, Any]", value).items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(enumerate(cast("list[Any]", value)))
    private: dict[str, Any] = getattr(value, "__pydantic_private__", None) or {}
    return [*getattr(value, "__dict__", {}).items(), *private.items()]
