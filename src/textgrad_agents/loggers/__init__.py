"""Where events go."""

from textgrad_agents.loggers.file import FileLogger

__all__ = ["FileLogger"]
