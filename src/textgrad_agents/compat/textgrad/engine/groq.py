"""Groq."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT
from textgrad_agents.compat.hosted import HostedEngine


class ChatGroq(HostedEngine):
    """A model of Groq."""

    PROVIDER = "groq"

    def __init__(
        self,
        model_string: str = "groq-llama3-70b-8192",
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(model_string.removeprefix("groq-"), system_prompt, is_multimodal, **kwargs)
