"""vLLM, as a server: start ``vllm serve MODEL`` first."""

from __future__ import annotations

import os
from typing import Any

from textgrad_agents.compat.hosted import HostedEngine


class ChatVLLM(HostedEngine):
    """A model of a vLLM server at VLLM_BASE_URL, ``http://localhost:8000/v1`` where that is not set.

    The server batches the calls that are under way; TextGrad's class of this name loads the model into the program's
    own process and answers one call at a time.
    """

    def __init__(
        self, model_string: str = "meta-llama/Meta-Llama-3-8B-Instruct", system_prompt: str = "", **kwargs: Any
    ) -> None:
        address = os.environ.get("VLLM_BASE_URL") or "http://localhost:8000/v1"
        key = "VLLM_API_KEY" if os.environ.get("VLLM_API_KEY") else None
        where: dict[str, Any] = {"base_url": address, "api_key_env_var": key}
        super().__init__(model_string, system_prompt, **{**where, **kwargs})
