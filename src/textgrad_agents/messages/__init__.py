"""Messages to a model and what comes back, in the chat wire form."""

from textgrad_agents.messages.calls import INVALID_TOOL_NAME, ToolCall, ToolCallFunction
from textgrad_agents.messages.completion import Completion, Finish, PromptSpan, Sampling, TokenTrace, Usage
from textgrad_agents.messages.images import encode_image_to_base64, validate_base64_image
from textgrad_agents.messages.message import EnvStateMessage, Message, Role, assistant, join, system, user
from textgrad_agents.messages.tool_messages import Messages, MessagesAdapter, ToolRequestMessage, ToolResponseMessage

__all__ = [
    "INVALID_TOOL_NAME",
    "Completion",
    "EnvStateMessage",
    "Finish",
    "Message",
    "Messages",
    "MessagesAdapter",
    "PromptSpan",
    "Role",
    "Sampling",
    "TokenTrace",
    "ToolCall",
    "ToolCallFunction",
    "ToolRequestMessage",
    "ToolResponseMessage",
    "Usage",
    "assistant",
    "encode_image_to_base64",
    "join",
    "system",
    "user",
    "validate_base64_image",
]
