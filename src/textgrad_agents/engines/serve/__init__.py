"""Any engine as an OpenAI-compatible server on this machine."""

from textgrad_agents.engines.serve.server import EngineServer, serving

__all__ = ["EngineServer", "serving"]
