"""`LiteLLMEngine` and `completion`: litellm's names for models, without litellm."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from textgrad_agents.compat.bridge import Content
from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT
from textgrad_agents.compat.textgrad.engine_experimental.base import EngineLM, cached
from textgrad_agents.compat.textgrad.engine_experimental.engine_utils import open_ai_like_formatting
from textgrad_agents.engines import ChatEngine, LLMConfig, Retried
from textgrad_agents.engines.models.providers import PROVIDERS, Provider
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Message
from textgrad_agents.session import current_session

_PREFIXES = {"gemini": "google", "together_ai": "together", "ollama_chat": "ollama"}
_FAMILIES = {"claude": "anthropic", "gemini": "google", "deepseek": "deepseek", "grok": "xai", "mistral": "mistral"}
_OPTIONS = ("temperature", "top_p", "max_tokens", "seed", "stop")


def completion(model: str, messages: Sequence[Mapping[str, Any]], **kwargs: Any) -> dict[str, Any]:
    """Ask a model by litellm's name for it; the reply has the form ``["choices"][0]["message"]["content"]``.

    Args:
        model: ``gpt-4o-mini``, ``anthropic/claude-…``, ``ollama/llama3``: the name alone, or after its provider.
        messages: ``{"role": …, "content": …}``.
        kwargs: ``temperature``, ``top_p``, ``max_tokens``, ``seed``, ``stop``; ``api_base`` and ``api_key`` of another
            server; anything else goes into the request as it is.

    Raises:
        ConfigError: the provider is not known.
        EngineError: no usable answer.
    """
    options = {name: kwargs.pop(name) for name in _OPTIONS if name in kwargs}
    engine = _engine(model, kwargs.pop("api_base", None), kwargs.pop("api_key", None))
    if isinstance(options.get("stop"), str):
        options["stop"] = (options["stop"],)
    asked = [Message.model_validate(message) for message in messages]
    reply = current_session().portal.run(engine.generate(asked, GenerateOptions(**options, extra=kwargs)))
    return {
        "model": reply.model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": reply.finish}
        ],
        "usage": {"prompt_tokens": reply.usage.input_tokens, "completion_tokens": reply.usage.output_tokens},
    }


class LiteLLMEngine(EngineLM):
    """A model by litellm's name for it; asks through `completion` of this module."""

    DEFAULT_SYSTEM_PROMPT = DEFAULT_SYSTEM_PROMPT

    def __init__(
        self,
        model_string: str,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = True,
        cache: Any = False,
    ) -> None:
        super().__init__(model_string, system_prompt, is_multimodal, cache)

    def lite_llm_generate(self, content: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer a text or the parts of a message."""
        messages = [{"role": "system", "content": system_prompt}, {"role": "user", "content": content}]
        return completion(model=self.model_string, messages=messages, **kwargs)["choices"][0]["message"]["content"]

    @cached
    def _generate_from_single_prompt(self, content: str, system_prompt: str | None = None, **kwargs: Any) -> str:
        return self.lite_llm_generate(content, system_prompt, **kwargs)

    @cached
    def _generate_from_multiple_input(self, content: Content, system_prompt: str | None = None, **kwargs: Any) -> str:
        return self.lite_llm_generate(open_ai_like_formatting(content), system_prompt, **kwargs)


@functools.lru_cache(maxsize=32)
def _engine(model: str, api_base: str | None, api_key: str | None) -> Engine:
    """The engine of a model, the same for every call, so that its connections are used again."""
    prefix, slash, rest = model.partition("/")
    name = _PREFIXES.get(prefix, prefix)
    known = bool(slash) and name in PROVIDERS
    provider = PROVIDERS[name] if known else _by_family(model, api_base)
    config = LLMConfig(
        name=model,
        model_string=rest if known else model,
        base_url=api_base or provider.base_url,
        api_key=SecretStr(api_key) if api_key else None,
        api_key_env_var=provider.key_variable,
        is_multimodal=True,
    )
    return Retried(ChatEngine(config))


def _by_family(model: str, api_base: str | None) -> Provider:
    for family, name in _FAMILIES.items():
        if model.startswith(family):
            return PROVIDERS[name]
    if api_base or model.startswith(("gpt-", "chatgpt-", "o1", "o3", "o4")):
        return PROVIDERS["openai"]
    raise ConfigError(
        f"it is not known who serves {model!r}; put the provider before it, as in openai/{model}. Known are "
        f"{', '.join([*PROVIDERS, *_PREFIXES])}"
    )
