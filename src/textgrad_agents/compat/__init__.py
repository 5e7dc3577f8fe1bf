"""Other libraries' names over this one's parts."""

from textgrad_agents.compat.alias import alias

__all__ = ["alias"]
