"""Other libraries' names over this one's parts, and their engines as ours."""

from textgrad_agents.compat.alias import alias
from textgrad_agents.compat.bridge import as_engine
from textgrad_agents.compat.engine_lm import ServedEngine

__all__ = ["ServedEngine", "alias", "as_engine"]
