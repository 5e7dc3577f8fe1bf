"""Which models there are, who serves them, and how each is reached."""

from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.registry import (
    ModelRow,
    get_llm_config,
    list_available_models,
    model_table,
    retirement_notice,
    save_llm_config,
)

__all__ = [
    "LLMConfig",
    "ModelRow",
    "get_llm_config",
    "list_available_models",
    "model_table",
    "retirement_notice",
    "save_llm_config",
]
