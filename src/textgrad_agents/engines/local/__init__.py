"""Models that run in this process: `transformers` with `peft` adapters. Importing this room imports torch."""

from textgrad_agents.engines.local.engine import LocalEngine
from textgrad_agents.engines.local.model import LocalModel

__all__ = ["LocalEngine", "LocalModel"]
