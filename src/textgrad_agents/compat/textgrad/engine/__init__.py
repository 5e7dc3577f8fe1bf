"""Engines by TextGrad's names."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.textgrad.engine.anthropic import ChatAnthropic
from textgrad_agents.compat.textgrad.engine.base import CachedEngine, EngineLM, ServedEngine
from textgrad_agents.compat.textgrad.engine.cohere import ChatCohere
from textgrad_agents.compat.textgrad.engine.gemini import ChatGemini
from textgrad_agents.compat.textgrad.engine.groq import ChatGroq
from textgrad_agents.compat.textgrad.engine.openai import OLLAMA_BASE_URL, AzureChatOpenAI, ChatOpenAI
from textgrad_agents.compat.textgrad.engine.together import ChatTogether
from textgrad_agents.compat.textgrad.engine.vllm import ChatVLLM
from textgrad_agents.compat.textgrad.engine_experimental.litellm import LiteLLMEngine
from textgrad_agents.errors import ConfigError

__all__ = ["CachedEngine", "EngineLM", "LiteLLMEngine", "ServedEngine", "get_engine", "validate_multimodal_engine"]

__ENGINE_NAME_SHORTCUTS__ = {
    "opus": "claude-3-opus-20240229",
    "haiku": "claude-3-haiku-20240307",
    "sonnet": "claude-3-sonnet-20240229",
    "sonnet-3.5": "claude-3-5-sonnet-20240620",
    "together-llama-3-70b": "together-meta-llama/Llama-3-70b-chat-hf",
    "vllm-llama-3-8b": "vllm-meta-llama/Meta-Llama-3-8B-Instruct",
}
_TEXT_ONLY = ("gpt-3.5", "gpt-4-0", "gpt-4-1106", "gpt-4-32k")
_COHERE = ("command-r-plus", "command-r", "command", "command-light")
_EXPERIMENTAL = "experimental:"


def get_engine(engine_name: str, **kwargs: Any) -> EngineLM:
    """The engine of a name as TextGrad writes it.

    ``experimental:MODEL`` with litellm's model names; ``azure-…``; anything with ``gpt-4``, ``gpt-3.5``, ``claude`` or
    ``gemini`` in it; ``together-…``; Cohere's ``command…``; ``ollama-…``; ``vllm-…``; ``groq-…``.

    Args:
        engine_name: the name.
        kwargs: arguments of the engine; ``seed`` is for OpenAI's models, ``cache`` for experimental engines.

    Raises:
        ConfigError: no such engine, or an argument that it does not take (it is a ValueError).
        MissingKeyError: the provider's key is not set (it is a ValueError).
    """
    name = __ENGINE_NAME_SHORTCUTS__.get(engine_name, engine_name)
    is_gpt = any(part in name for part in ("gpt-4", "gpt-3.5", "gpt-35"))
    if "seed" in kwargs and not is_gpt:
        raise ConfigError(f"seed= is for OpenAI's models, and {engine_name!r} is none")
    if "cache" in kwargs and not name.startswith(_EXPERIMENTAL):
        raise ConfigError(f"cache= is for engines named {_EXPERIMENTAL}MODEL, and {engine_name!r} is none")
    if name.startswith(_EXPERIMENTAL):
        return LiteLLMEngine(name.removeprefix(_EXPERIMENTAL), **kwargs)
    if name.startswith("azure"):
        return AzureChatOpenAI(name.removeprefix("azure").lstrip("-"), **kwargs)
    if name.startswith("ollama"):
        return ChatOpenAI(name.removeprefix("ollama").lstrip("-"), base_url=OLLAMA_BASE_URL, **kwargs)
    if is_gpt:
        return ChatOpenAI(name, is_multimodal=_takes_images(name), **kwargs)
    if "claude" in name:
        return ChatAnthropic(name, is_multimodal=True, **kwargs)
    if "gemini" in name:
        return ChatGemini(name, is_multimodal=True, **kwargs)
    if "together" in name:
        return ChatTogether(name.replace("together-", ""), **kwargs)
    if name in _COHERE:
        return ChatCohere(name, **kwargs)
    if "vllm" in name:
        return ChatVLLM(name.replace("vllm-", ""), **kwargs)
    if "groq" in name:
        return ChatGroq(name, **kwargs)
    raise ConfigError(
        f"no engine is known as {engine_name!r}; write {_EXPERIMENTAL}PROVIDER/MODEL for a model of any provider, "
        "ollama-MODEL for a local one, or pass an engine object"
    )


def validate_multimodal_engine(engine: object) -> None:
    """Refuse an engine that says it takes no images.

    Raises:
        ConfigError: it says so (it is a ValueError).
    """
    if not getattr(engine, "is_multimodal", True):
        raise ConfigError(f"{engine!r} takes no images; choose a model that does and pass is_multimodal=True")


def _takes_images(name: str) -> bool:
    return not name.startswith(_TEXT_ONLY) and name != "gpt-4"
