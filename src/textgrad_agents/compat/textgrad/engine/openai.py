"""OpenAI, Ollama and Azure."""

from __future__ import annotations

import os
from typing import Any

from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT, EngineLM
from textgrad_agents.compat.hosted import HostedEngine
from textgrad_agents.errors import MissingKeyError

__all__ = ["OLLAMA_BASE_URL", "AzureChatOpenAI", "ChatOpenAI", "EngineLM"]

OLLAMA_BASE_URL = os.environ.get("OLLAMA_BASE_URL") or "http://localhost:11434/v1"


class ChatOpenAI(HostedEngine):
    """A model of OpenAI, or of any server with OpenAI's interface at `base_url`."""

    def __init__(
        self,
        model_string: str = "gpt-3.5-turbo-0613",
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        base_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        where = {"base_url": base_url} if base_url else {}
        super().__init__(model_string, system_prompt, is_multimodal, **where, **kwargs)


class AzureChatOpenAI(HostedEngine):
    """A deployment of Azure OpenAI; its address and key stand in AZURE_OPENAI_API_BASE and AZURE_OPENAI_API_KEY."""

    def __init__(
        self,
        model_string: str = "gpt-35-turbo",
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        **kwargs: Any,
    ) -> None:
        resource = os.environ.get("AZURE_OPENAI_API_BASE", "").rstrip("/")
        if not resource:
            raise MissingKeyError(
                "set AZURE_OPENAI_API_BASE to the address of your Azure resource, https://….azure.com"
            )
        address = f"{resource}/openai/v1"
        super().__init__(
            model_string,
            system_prompt,
            is_multimodal,
            base_url=address,
            api_key_env_var="AZURE_OPENAI_API_KEY",
            **kwargs,
        )
