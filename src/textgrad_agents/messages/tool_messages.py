"""The two halves of a tool call as messages: an agent's request, and what the tool answered."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import starmap
from typing import Any, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter

from textgrad_agents.messages.calls import ToolCall
from textgrad_agents.messages.message import Message

# The fields of a Message narrowed to what these messages always have.
# pyright: reportIncompatibleVariableOverride=false, reportGeneralTypeIssues=false


class ToolRequestMessage(Message):
    """An agent's action: calls of tools, independent of each other, and perhaps a thought as `content`.

    What else a provider puts into its messages is dropped.
    """

    model_config = ConfigDict(extra="ignore")

    role: Literal["assistant"] = "assistant"
    function_call: None = None
    tool_calls: list[ToolCall] = Field(default_factory=list[ToolCall])

    def __str__(self) -> str:
        if not self.tool_calls:
            return super().__str__()
        calls = "; ".join(f"{call} [id={call.id}]" for call in self.tool_calls)
        return f"Tool request message {self.content or ''!r} for tool calls: {calls}"


class ToolResponseMessage(Message):
    """What a tool answered to one call."""

    content: str
    role: Literal["tool"] = "tool"
    name: str
    tool_call_id: str

    @classmethod
    def from_call(cls, call: ToolCall, content: str, **kwargs: Any) -> Self:
        """The answer to a call."""
        return cls(content=content, name=call.function.name, tool_call_id=call.id, **kwargs)

    @classmethod
    def from_request(cls, request: ToolRequestMessage, contents: Iterable[str]) -> list[Self]:
        """The answers to all calls of a request, in their order.

        Raises:
            ValueError: there are not as many contents as calls.
        """
        return list(starmap(cls.from_call, zip(request.tool_calls, contents, strict=True)))

    def __str__(self) -> str:
        return f"Tool response message {self.content!r} for tool call ID {self.tool_call_id} of tool {self.name!r}"


Messages: TypeAlias = list[ToolRequestMessage | ToolResponseMessage | Message]
MessagesAdapter: TypeAdapter[Messages] = TypeAdapter(Messages)
