from textgrad_agents.errors import MalformedMessageError
from textgrad_agents.messages import EnvStateMessage, Message, join

__all__ = ["EnvStateMessage", "MalformedMessageError", "Message", "join"]
