"""TextGrad's newer engines."""

from textgrad_agents.compat.textgrad.engine_experimental.litellm import LiteLLMEngine
from textgrad_agents.compat.textgrad.engine_experimental.openai import OpenAIEngine

__all__ = ["LiteLLMEngine", "OpenAIEngine"]
