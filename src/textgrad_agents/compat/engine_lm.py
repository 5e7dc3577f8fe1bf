"""`EngineLM`, TextGrad's idea of an engine: called with a prompt, it returns a text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textgrad_agents.compat.bridge import Content, ask
from textgrad_agents.engines.base import is_structured
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, system

DEFAULT_SYSTEM_PROMPT = "You are a helpful, creative, and smart assistant."
SAMPLING = {"temperature": 0.0, "max_tokens": 2000, "top_p": 0.99}


class EngineLM(ABC):
    """Base of engines: subclasses give `generate`."""

    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    model_string: str

    @abstractmethod
    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer `prompt`, a text or a list of texts and images."""

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        """Answer a prompt."""
        return self.generate(*args, **kwargs)


class ServedEngine(EngineLM):
    """An engine of ours in TextGrad's form.

    Args:
        engine: who answers.
        model_string: the model's name; the engine's name if empty.
        system_prompt: sent where a call gives none.
        is_multimodal: True if it takes images.
    """

    DEFAULT_SYSTEM_PROMPT = DEFAULT_SYSTEM_PROMPT

    def __init__(
        self,
        engine: Engine,
        model_string: str = "",
        system_prompt: str = DEFAULT_SYSTEM_PROMPT,
        is_multimodal: bool = False,
    ) -> None:
        self.engine = engine
        self.model_string = model_string or engine.name
        self.system_prompt = system_prompt
        self.is_multimodal = is_multimodal

    def generate(self, prompt: Content, system_prompt: str | None = None, **kwargs: Any) -> str:
        """Answer `prompt`; `kwargs` are options of `ask`."""
        return ask(Asked(self), prompt, system_prompt, **kwargs)

    def served(self) -> Engine | None:
        """The engine to await instead of calling this one; None where a subclass answers in a way of its own."""
        own = type(self)
        if own.generate is not ServedEngine.generate or own.__call__ is not EngineLM.__call__:
            return None
        return Asked(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model_string!r})"


class Asked:
    """What a `ServedEngine` asks: the engine behind it, with its system prompt where a request has none."""

    def __init__(self, owner: ServedEngine) -> None:
        self._owner = owner

    @property
    def name(self) -> str:
        """The model's name."""
        return self._owner.model_string

    @property
    def structured(self) -> bool:
        """True if the engine behind follows response schemas."""
        return is_structured(self._owner.engine)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`."""
        if self._owner.system_prompt and not any(message.role == "system" for message in messages):
            messages = [system(self._owner.system_prompt), *messages]
        unset = {name: value for name, value in SAMPLING.items() if getattr(options, name) is None}
        return await self._owner.engine.generate(messages, replace(options, **unset))
