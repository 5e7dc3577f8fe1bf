"""Tools: what a model may call, from a function's signature and docstring."""

from textgrad_agents.messages import (
    INVALID_TOOL_NAME,
    Messages,
    MessagesAdapter,
    ToolCall,
    ToolCallFunction,
    ToolRequestMessage,
    ToolResponseMessage,
)
from textgrad_agents.tools.argref import argref_by_name
from textgrad_agents.tools.docstrings import partial_format, wraps_doc_only
from textgrad_agents.tools.functions import is_coroutine_callable
from textgrad_agents.tools.tool import FunctionInfo, Parameters, Tool, Tools, ToolsAdapter

__all__ = [
    "INVALID_TOOL_NAME",
    "FunctionInfo",
    "Messages",
    "MessagesAdapter",
    "Parameters",
    "Tool",
    "ToolCall",
    "ToolCallFunction",
    "ToolRequestMessage",
    "ToolResponseMessage",
    "Tools",
    "ToolsAdapter",
    "argref_by_name",
    "is_coroutine_callable",
    "partial_format",
    "wraps_doc_only",
]
