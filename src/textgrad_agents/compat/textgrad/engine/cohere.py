"""Cohere."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT
from textgrad_agents.compat.hosted import HostedEngine


class ChatCohere(HostedEngine):
    """A model of Cohere, at its address for clients of OpenAI's interface."""

    def __init__(
        self, model_string: str = "command-r-plus", system_prompt: str = DEFAULT_SYSTEM_PROMPT, **kwargs: Any
    ) -> None:
        address: dict[str, Any] = {
            "base_url": "https://api.cohere.ai/compatibility/v1",
            "api_key_env_var": "COHERE_API_KEY",
        }
        super().__init__(model_string, system_prompt, **{**address, **kwargs})
