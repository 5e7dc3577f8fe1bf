"""The models known by a short name: who serves them, when they end, what to use then.

Dates and successors as known in November 2026. Prices stand here only where they cannot be looked up (see
`textgrad_agents.engines.models.pricing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.providers import OPENAI, PROVIDERS, Provider

_Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preset:
    """A model known by a short name.

    Attributes:
        name: the short name.
        provider: who serves it.
        model_string: its name on the wire.
        fields: further fields of its `LLMConfig`.
        retires_on: its last day, if one is known.
        successor: the preset to use instead. Without a `retires_on` it has ended or may have, nobody knows when.
    """

    name: str
    provider: Provider
    model_string: str
    fields: _Fields
    retires_on: date | None
    successor: str | None

    def config(self) -> LLMConfig:
        """The `LLMConfig` of this preset."""
        return LLMConfig(
            name=self.name,
            model_string=self.model_string,
            base_url=None if self.provider is OPENAI else self.provider.base_url,
            api_key_env_var=self.provider.key_variable,
            **self.fields,
        )


def _per_million(usd: float) -> _Fields:
    return {"input_price_per_million": usd, "output_price_per_million": usd}


_TEXT: _Fields = {}
_IMAGES: _Fields = {"is_multimodal": True}
_STRUCTURED: _Fields = {"is_multimodal": True, "structured": True}
_LONG: _Fields = {"max_tokens": 16384}  # thinking counts as output
_THINKING: _Fields = {**_STRUCTURED, **_LONG}

_SERVED: Mapping[str, Mapping[str, _Fields]] = {
    "openai": {
        "gpt-4o": _STRUCTURED,
        "gpt-4o-mini": _STRUCTURED,
        "gpt-5": {**_STRUCTURED, "max_tokens": 8192},
        "o1": {**_STRUCTURED, "max_tokens": 32768},
        "o1-mini": _LONG,
        "gpt-4.1": _STRUCTURED,
        "gpt-4.1-mini": _STRUCTURED,
        "gpt-5.4": _STRUCTURED,
        "gpt-5.4-mini": _STRUCTURED,
        "gpt-5.4-nano": _STRUCTURED,
        "gpt-5.5": _THINKING,
        "gpt-5.6-luna": _THINKING,
        "gpt-5.6-terra": _THINKING,
        "gpt-5.6-sol": _THINKING,
        "gpt-6-luna": _THINKING,
        "gpt-6-sol": _THINKING,
        "gpt-6-astra": _THINKING,
        "gpt-6.1-terra": _THINKING,
        "gpt-6.1-sol": _THINKING,
    },
    "google": {
        "gemini-pro": _STRUCTURED,
        "gemini-flash": _STRUCTURED,
        "gemini-2.0-flash": _STRUCTURED,
        "gemini-3.1-flash-lite": _STRUCTURED,
        "gemini-3.1-pro-preview": _THINKING,
        "gemini-3.5-flash": _THINKING,
        "gemini-3.5-flash-lite": _STRUCTURED,
        "gemini-3.8-flash": _THINKING,
        "gemini-flash-latest": _THINKING,
        "gemini-pro-latest": _THINKING,
    },
    "anthropic": {"claude-haiku-5-5": _IMAGES, "claude-sonnet-5-5": _IMAGES, "claude-opus-5-5": _IMAGES},
    "together": {
        "llama-3.1-70b": _per_million(0.88),
        "llama-3.1-8b": _TEXT,
        "llama-3.3-70b": _TEXT,
        "qwen-72b": _per_million(1.2),
        "qwen-7b": _per_million(0.3),
        "qwen-coder-32b": _per_million(0.8),
        "gpt-oss-120b": _TEXT,
        "muse-glimmer-30b": _TEXT,
        "qwen3.8-flash": _TEXT,
        "glm-5.3-flash": _TEXT,
        "minimax-m3": _TEXT,
    },
    "deepseek": {
        "deepseek-chat": _TEXT,
        "deepseek-reasoner": _LONG,
        "deepseek-flash": {"extra_params": {"thinking": {"type": "disabled"}}},
        "deepseek-flash-thinking": {**_LONG, "extra_params": {"thinking": {"type": "enabled"}}},
        "deepseek-v4-pro": _LONG,
    },
    "xai": {"grok-4.7": _TEXT},
    "mistral": {"mistral-large-4": _TEXT, "mistral-medium-3-5": _TEXT},
    "moonshot": {"kimi-k3.1-pro": _TEXT},
    "groq": {"qwen3.8-27b": _TEXT},
    "cerebras": {"gpt-oss-120b-cerebras": _TEXT},
    "ollama": {"ollama-llama3": _per_million(0.0), "ollama-qwen2": _per_million(0.0)},
}

# Names on the wire, where they differ.
_WIRE: Mapping[str, str] = {
    "deepseek-flash-thinking": "deepseek-flash",
    "gemini-flash": "gemini-1.5-flash",
    "gemini-pro": "gemini-1.5-pro",
    "glm-5.3-flash": "zai-org/GLM-5.3-Flash",
    "gpt-oss-120b": "openai/gpt-oss-120b",
    "gpt-oss-120b-cerebras": "gpt-oss-120b",
    "llama-3.1-70b": "meta-llama/llama-3.1-70b-instruct",
    "llama-3.1-8b": "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
    "llama-3.3-70b": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "minimax-m3": "MiniMaxAI/MiniMax-M3",
    "muse-glimmer-30b": "meta-models/Muse-Glimmer-30B",
    "ollama-llama3": "llama3",
    "ollama-qwen2": "qwen2",
    "qwen-72b": "Qwen/Qwen2.5-72B-Instruct-Turbo",
    "qwen-7b": "Qwen/Qwen2.5-7B-Instruct-Turbo",
    "qwen-coder-32b": "Qwen/Qwen2.5-Coder-32B-Instruct",
    "qwen3.8-27b": "qwen/qwen3.8-27b",
    "qwen3.8-flash": "Qwen/Qwen3.8-Flash",
}

# Last day, if one is published that could be checked, and successor.
_ENDS: Mapping[str, tuple[str | None, str]] = {
    "gpt-4o": ("2027-01-14", "gpt-6-sol"),
    "gpt-4o-mini": ("2027-01-14", "gpt-6-luna"),
    "gpt-5": ("2026-12-11", "gpt-6.1-sol"),
    "o1": ("2026-10-23", "gpt-6.1-sol"),
    "o1-mini": (None, "gpt-6-luna"),
    "gpt-4.1": ("2027-01-14", "gpt-6-sol"),
    "gpt-4.1-mini": ("2027-01-14", "gpt-6-luna"),
    "gpt-5.4-nano": ("2027-04-01", "gpt-5.6-luna"),
    "gemini-pro": (None, "gemini-3.1-pro-preview"),
    "gemini-flash": (None, "gemini-3.8-flash"),
    "gemini-2.0-flash": ("2026-06-01", "gemini-3.5-flash-lite"),
    "llama-3.1-70b": (None, "muse-glimmer-30b"),
    "llama-3.1-8b": (None, "qwen3.8-flash"),
    "llama-3.3-70b": ("2026-10-22", "gpt-oss-120b"),
    "qwen-72b": ("2026-02-06", "qwen3.8-flash"),
    "qwen-7b": (None, "qwen3.8-flash"),
    "qwen-coder-32b": (None, "qwen3.8-flash"),
    "deepseek-chat": ("2026-07-24", "deepseek-flash"),
    "deepseek-reasoner": ("2026-07-24", "deepseek-flash-thinking"),
}


def _preset(name: str, provider: Provider, fields: _Fields) -> Preset:
    last_day, successor = _ENDS.get(name, (None, None))
    retires_on = date.fromisoformat(last_day) if last_day else None
    return Preset(name, provider, _WIRE.get(name, name), fields, retires_on, successor)


PRESETS: Mapping[str, Preset] = {
    name: _preset(name, PROVIDERS[provider], fields)
    for provider, models in _SERVED.items()
    for name, fields in models.items()
}
