"""OpenAI's models, and models behind a client of the user's own."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.bridge import Content
from textgrad_agents.compat.client import ClientEngine
from textgrad_agents.compat.engine_lm import DEFAULT_SYSTEM_PROMPT
from textgrad_agents.compat.engine_lm import EngineLM as BaseEngineLM
from textgrad_agents.compat.hosted import HostedEngine
from textgrad_agents.compat.textgrad.engine_experimental.base import EngineLM, cached


class OpenAIEngine(EngineLM):
    """A model of OpenAI.

    Raises:
        MissingKeyError: OPENAI_API_KEY is not set (it is a ValueError).
    """

    DEFAULT_SYSTEM_PROMPT = DEFAULT_SYSTEM_PROMPT

    def __init__(
        self,
        model_string: str,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        cache: Any = False,
    ) -> None:
        super().__init__(model_string, system_prompt, is_multimodal, cache)
        self.inner: BaseEngineLM = self._inner()

    def _inner(self) -> BaseEngineLM:
        return HostedEngine(self.model_string, self.system_prompt, self.is_multimodal)

    @cached
    def _generate_from_single_prompt(self, content: str, system_prompt: str | None = None, **kwargs: Any) -> str:
        return self.inner.generate(content, system_prompt, **kwargs)

    @cached
    def _generate_from_multiple_input(self, content: Content, system_prompt: str | None = None, **kwargs: Any) -> str:
        return self.inner.generate(content, system_prompt, **kwargs)


class OpenAICompatibleEngine(OpenAIEngine):
    """A model behind a given client (``openai.OpenAI``, or anything with its ``chat.completions.create``)."""

    def __init__(
        self,
        client: Any,
        model_string: str,
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
        cache: Any = False,
    ) -> None:
        self.client = client
        super().__init__(model_string, system_prompt, is_multimodal, cache)

    def _inner(self) -> BaseEngineLM:
        return ClientEngine(self.client, self.model_string, self.system_prompt, self.is_multimodal)
