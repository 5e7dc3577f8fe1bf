"""From what a user names to an engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textgrad_agents.engines.chat import ChatEngine
from textgrad_agents.engines.models import LLMConfig, get_llm_config
from textgrad_agents.engines.rulebook import RulebookEngine
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine

BUILT_IN = ("auto", "rulebook")


def make_engine(
    model: str | Path | LLMConfig | Mapping[str, Any],
    *,
    base_url: str | None = None,
    api_key_env_var: str | None = None,
) -> Engine:
    """The engine that a user names.

    Args:
        model: ``auto`` or ``rulebook`` for the built-in engine; a known model; ``local:`` and the folder of a model to
            load into this process; the path of a config in JSON; a config or its fields. With a `base_url`, any name
            is that of a model there.
        base_url: another server to ask.
        api_key_env_var: another environment variable with the key.

    Raises:
        ConfigError: no such model, or a field cannot be used.
        FileFormatError: the file is missing or damaged.
    """
    if model in BUILT_IN and base_url is None:
        return RulebookEngine()
    if isinstance(model, str | Path):
        return _engine_of(get_llm_config(model, base_url=base_url, api_key_env_var=api_key_env_var))
    config = model if isinstance(model, LLMConfig) else LLMConfig.from_dict(model)
    changes = {"base_url": base_url, "api_key_env_var": api_key_env_var}
    given = {name: value for name, value in changes.items() if value is not None}
    return _engine_of(config.replaced(**given) if given else config)


def _engine_of(config: LLMConfig) -> Engine:
    if config.local_source is None:
        return ChatEngine(config)
    try:
        from textgrad_agents.engines.local.door import local_engine  # torch takes seconds to import
    except ImportError as error:
        raise ConfigError(
            f"models in this process need torch, transformers and peft ({error}); install textgrad-agents[rl]"
        ) from None
    return local_engine(config)
