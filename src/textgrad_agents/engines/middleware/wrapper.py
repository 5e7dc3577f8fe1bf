"""An engine around an engine: all the inner one says about itself, said on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textgrad_agents.engines.base import call_cost, identity_of, is_structured, most_usage, server_of
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage


class Wrapper:
    """Passes every call on; subclasses add one behaviour.

    Args:
        engine: the engine inside.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.engine!r})"

    @property
    def name(self) -> str:
        """The inner engine's name."""
        return self.engine.name

    @property
    def server(self) -> str | None:
        """The address that the inner engine asks; None if it answers in this process."""
        return server_of(self.engine)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the inner engine's answers besides the request."""
        return identity_of(self.engine)

    @property
    def structured(self) -> bool:
        """True if the inner engine follows a response schema."""
        return is_structured(self.engine)

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage` of the inner engine, None if unknown."""
        return call_cost(self.engine, usage)

    def most_usage(self, messages: Sequence[Message], options: GenerateOptions) -> Usage:
        """The most that a call of the inner engine may use."""
        return most_usage(self.engine, messages, options)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`."""
        return await self.engine.generate(messages, options)
