"""Who answers messages: the built-in engine, models behind an address, scripts, and what goes around them."""

from textgrad_agents.engines.chat import ChatEngine
from textgrad_agents.engines.factory import make_engine
from textgrad_agents.engines.middleware import (
    Budget,
    Budgeted,
    Cache,
    Cached,
    CircuitBreaker,
    Deadline,
    Fallback,
    Limited,
    Meter,
    Metered,
    Paced,
    Retried,
    Stack,
)
from textgrad_agents.engines.models import LLMConfig, get_llm_config, list_available_models, save_llm_config
from textgrad_agents.engines.rulebook import RulebookEngine
from textgrad_agents.engines.scripted import ScriptedEngine

__all__ = [
    "Budget",
    "Budgeted",
    "Cache",
    "Cached",
    "ChatEngine",
    "CircuitBreaker",
    "Deadline",
    "Fallback",
    "LLMConfig",
    "Limited",
    "Meter",
    "Metered",
    "Paced",
    "Retried",
    "RulebookEngine",
    "ScriptedEngine",
    "Stack",
    "get_llm_config",
    "list_available_models",
    "make_engine",
    "save_llm_config",
]
