"""Engines behind a Chat Completions address; every provider class of TextGrad is one of these."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT, ServedEngine
from textgrad_agents.engines import ChatEngine, LLMConfig, Retried
from textgrad_agents.engines.models.providers import PROVIDERS


class HostedEngine(ServedEngine):
    """A model of a provider.

    Args:
        model_string: the model's name at the provider.
        system_prompt: sent where a call gives none.
        is_multimodal: True if the model takes images.
        config: further fields of the `LLMConfig`: ``base_url``, ``api_key_env_var``, ``seed`` …

    Raises:
        MissingKeyError: the provider's key is not set (it is a ValueError).
        ConfigError: a field cannot be used.
    """

    PROVIDER = "openai"

    def __init__(
        self,
        model_string: str,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        **config: Any,
    ) -> None:
        provider = PROVIDERS[self.PROVIDER]
        where = {"base_url": provider.base_url, "api_key_env_var": provider.key_variable}
        model = {"name": model_string, "model_string": model_string, "is_multimodal": is_multimodal}
        self.config = LLMConfig.from_dict({**model, **where, **config})
        self.config.get_api_key()  # a missing key is said now and not at the first call
        super().__init__(Retried(ChatEngine(self.config)), model_string, system_prompt, is_multimodal)

    @property
    def base_url(self) -> str:
        """The server's address."""
        return self.config.url
