"""Google."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT
from textgrad_agents.compat.hosted import HostedEngine


class ChatGemini(HostedEngine):
    """A model of Google."""

    PROVIDER = "google"

    def __init__(
        self,
        model_string: str = "gemini-pro",
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(model_string, system_prompt, is_multimodal, **kwargs)
