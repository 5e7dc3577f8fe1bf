"""Together AI."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT
from textgrad_agents.compat.hosted import HostedEngine


class ChatTogether(HostedEngine):
    """A model of Together AI."""

    PROVIDER = "together"

    def __init__(
        self,
        model_string: str = "meta-llama/Llama-3-70b-chat-hf",
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(model_string, system_prompt, is_multimodal, **kwargs)
