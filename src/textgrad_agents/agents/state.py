"""The state of agents that hold a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from textgrad_agents.messages import EnvStateMessage, Message, Messages, ToolRequestMessage
from textgrad_agents.tools import Tool
from textgrad_agents.variables.variable import Variable

HIDDEN_MESSAGES = "[Previous messages - hidden]"
HIDDEN_STATE = "[Previous environment state - hidden]"


class HiddenEnvStateMessage(EnvStateMessage):
    """Stands for a message whose environment state is no longer shown."""

    content: str | None = HIDDEN_STATE


class SimpleAgentState(BaseModel):
    """Tools and the conversation so far.

    Attributes:
        tools: what the agent may call.
        messages: the conversation.
        hide_old_env_states: replace states of the environment by a note once there is a newer message.
        hide_old_action_content: leave out what the agent said beside its old tool calls.
        sliding_window: of the agent's turns, only so many of the last ones are kept, after the messages with which the
            conversation began; None keeps all.
    """

    model_config = ConfigDict(extra="forbid")

    tools: list[Tool] = Field(default_factory=list[Tool])
    messages: Messages = Field(default_factory=Messages)
    hide_old_env_states: bool = False
    hide_old_action_content: bool = False
    sliding_window: PositiveInt | None = None

    def get_next_state(
        self,
        obs: Sequence[Message] | None = None,
        tools: list[Tool] | None = None,
        hide_old_env_states: bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """The state with new observations; this one is not changed.

        Args:
            obs: new messages.
            tools: other tools than now.
            hide_old_env_states: another setting than now.
            kwargs: further fields, of subclasses.
        """
        hide_states = self.hide_old_env_states if hide_old_env_states is None else hide_old_env_states
        old = [_plain(message) for message in self.messages]
        if self.sliding_window is not None:
            old = _window(old, self.sliding_window)
        if hide_states:
            old = [HiddenEnvStateMessage() if isinstance(one, EnvStateMessage) else one for one in old]
        if self.hide_old_action_content:
            old = [
                one.model_copy(update={"content": None}) if isinstance(one, ToolRequestMessage) else one for one in old
            ]
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        fields["hide_old_env_states"] = hide_states
        fields["messages"] = [*old, *(obs or ())]
        if tools is not None:
            fields["tools"] = tools
        return type(self)(**fields | kwargs)


def split_message_transitions(messages: Sequence[Message]) -> list[list[Message]]:
    """A conversation as how it began (messages of system and user) and then the agent's turns with their answers."""
    if not messages:
        return []
    first = next((at for at, one in enumerate(messages) if one.role not in ("system", "user")), len(messages))
    turns = [list(messages[:first])]
    for message in messages[first:]:
        if isinstance(message, ToolRequestMessage) or len(turns) == 1:
            turns.append([])
        turns[-1].append(message)
    return turns


def _plain(message: Message | Variable[Any]) -> Message:
    """A message of the conversation without the graph that it was made by."""
    return cast("Variable[Message]", message).value if isinstance(message, Variable) else message


def _window(messages: list[Message], size: int) -> list[Message]:
    if not messages:
        return messages
    beginning, *turns = split_message_transitions(messages)
    hidden = bool(beginning) and beginning[-1].content == HIDDEN_MESSAGES
    note = [Message(content=HIDDEN_MESSAGES)] if len(turns) > size and not hidden else []
    return [*beginning, *note, *(message for turn in turns[-size:] for message in turn)]
