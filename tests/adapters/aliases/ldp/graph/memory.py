from textgrad_agents.memory import UIndexMemoryModel

__all__ = ["UIndexMemoryModel"]
