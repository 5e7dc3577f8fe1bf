"""Amazon Bedrock."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.bridge import Content
from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT, SAMPLING, EngineLM
from textgrad_agents.compat.images import get_image_type_from_bytes


class ChatBedrockEngine(EngineLM):
    """Asks Bedrock's Converse interface through a given client.

    Args:
        bedrock_client: ``boto3.client("bedrock-runtime")``, or anything with its ``converse``.
        model_string: the model's id.
        system_prompt: sent where a call gives none.
        is_multimodal: True if the model takes images.
    """

    def __init__(
        self,
        bedrock_client: Any,
        model_string: str = "anthropic.claude-3-sonnet-20240229-v1:0",
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        **kwargs: Any,
    ) -> None:
        self.client = bedrock_client
        self.model_string = model_string
        self.system_prompt = system_prompt
        self.is_multimodal = is_multimodal
        self.sampling = {**SAMPLING, **kwargs}

    def generate(self, prompt: Content, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer `prompt`; `kwargs` are ``temperature``, ``max_tokens`` and ``top_p``."""
        sampling = {**self.sampling, **kwargs}
        pieces = [prompt] if isinstance(prompt, str) else prompt
        reply = self.client.converse(
            modelId=self.model_string,
            system=[{"text": system_prompt or self.system_prompt}],
            messages=[{"role": "user", "content": [_block(piece) for piece in pieces]}],
            inferenceConfig={
                "temperature": sampling["temperature"],
                "maxTokens": sampling["max_tokens"],
                "topP": sampling["top_p"],
            },
        )
        return "".join(block.get("text", "") for block in reply["output"]["message"]["content"])


def _block(piece: str | bytes) -> dict[str, Any]:
    if isinstance(piece, str):
        return {"text": piece}
    return {"image": {"format": get_image_type_from_bytes(piece), "source": {"bytes": piece}}}
