"""Models behind a vLLM server: replies with their tokens, adapters that change while it runs, the server's process.

vLLM is not imported; it may live in an environment of its own.
"""

from textgrad_agents.engines.vllm_server.adapters import ServedAdapters
from textgrad_agents.engines.vllm_server.engine import Template, VLLMEngine
from textgrad_agents.engines.vllm_server.process import VLLMServer

__all__ = ["ServedAdapters", "Template", "VLLMEngine", "VLLMServer"]
