"""Which parameters a request carries: a config's defaults, a call's options, and what the model accepts of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.providers import OPENAI, is_loopback
from textgrad_agents.interfaces import GenerateOptions

Reasoning = Literal["never", "if asked", "by default", "always"]

# First match wins; OpenAI's model names only. Other servers ignore or accept sampling while a model reasons.
_REASONING: tuple[tuple[str, Reasoning], ...] = (
    (r"o\d.*|.+-pro(-\d{4}-.+)?", "always"),
    (r"gpt-5(-mini|-nano)?(-\d{4}-.+)?", "always"),
    (r"gpt-5\.[1-4](?!\d).*", "if asked"),
    (r"(gpt-6-astra|gpt-6\.1-sol).*", "always"),
    (r"gpt-5\.\d.*|gpt-([6-9]|\d\d).*", "by default"),
)
# What a model rejects while it reasons, and the value of each that it takes nevertheless.
_SAMPLING: Mapping[str, Any] = {
    "temperature": 1,
    "top_p": 1,
    "stop": None,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": None,
    "logprobs": False,
    "top_logprobs": None,
}
_SEED_LIMIT = 2**31  # some providers keep seeds in 32 signed bits


def reasoning_of(config: LLMConfig) -> Reasoning:
    """When the model of `config` reasons before it answers, in a way that forbids sampling parameters."""
    if config.provider is not OPENAI:
        return "never"
    for name, when in _REASONING:
        if re.fullmatch(name, config.model_string):
            return when
    return "never"


def parameters(config: LLMConfig, options: GenerateOptions) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What goes into a request besides model and messages, and the names of what the model would reject.

    A call's options win over the config's fields; provider parameters (`extra_params`, `extra`) are put in as they are.
    """
    wanted = _given(
        max_tokens=config.max_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        seed=config.seed,
        stop=list(config.stop),
        reasoning_effort=config.reasoning_effort,
    )
    wanted |= config.extra_params
    wanted |= _given(
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed,
        stop=list(options.stop),
    )
    wanted |= options.extra
    if isinstance(wanted.get("seed"), int) and not is_loopback(config.url):
        wanted["seed"] %= _SEED_LIMIT
    dropped = _rejected(config, wanted)
    sent = {_wire_name(config, name): value for name, value in wanted.items() if name not in dropped}
    return sent, dropped


def most_written(config: LLMConfig, options: GenerateOptions) -> int:
    """Tokens that the replies to a request may have together."""
    if not (options.extra or config.extra_params):
        return options.max_tokens or config.max_tokens
    sent, _ = parameters(config, options)
    return (sent.get("max_completion_tokens") or sent.get("max_tokens") or config.max_tokens) * sent.get("n", 1)


def _wire_name(config: LLMConfig, name: str) -> str:
    return config.provider.wire_names.get(name, name) if config.provider else name


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != []}


def _rejected(config: LLMConfig, wanted: Mapping[str, Any]) -> tuple[str, ...]:
    when = reasoning_of(config)
    effort = wanted.get("reasoning_effort")
    reasons = when == "always" or (when != "never" and (effort != "none" if effort else when == "by default"))
    return tuple(name for name, taken in _SAMPLING.items() if reasons and wanted.get(name, taken) != taken)
