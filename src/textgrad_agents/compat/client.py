"""An OpenAI client of the user's own."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.bridge import Content, to_messages
from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT, SAMPLING, EngineLM


class ClientEngine(EngineLM):
    """Asks a given client, which is used as it is.

    Args:
        client: an ``openai.OpenAI`` client, or anything with its ``chat.completions.create``.
        model_string: the model's name.
        system_prompt: sent where a call gives none.
        is_multimodal: True if the model takes images.
    """

    DEFAULT_SYSTEM_PROMPT = DEFAULT_SYSTEM_PROMPT

    def __init__(
        self,
        client: Any,
        model_string: str,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        **kwargs: Any,
    ) -> None:
        self.client = client
        self.model_string = model_string
        self.system_prompt = system_prompt
        self.is_multimodal = is_multimodal
        self.sampling = {**SAMPLING, **kwargs}

    def generate(self, prompt: Content, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer `prompt`; `kwargs` are parameters of the request."""
        messages = to_messages(prompt, system_prompt or self.system_prompt)
        reply = self.client.chat.completions.create(
            model=self.model_string,
            messages=[message.model_dump(exclude_none=True) for message in messages],
            **{**self.sampling, **kwargs},
        )
        return reply.choices[0].message.content or ""
