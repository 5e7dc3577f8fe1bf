"""`ScriptedEngine`: replies written beforehand, for tests, docs and dry runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from textgrad_agents.engines.base import estimate_usage, one_line
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message

Reply: TypeAlias = str | Completion | Exception
Answer: TypeAlias = Callable[[Sequence[Message], GenerateOptions], Reply]


@dataclass(frozen=True, slots=True)
class Call:
    """One call that a `ScriptedEngine` got."""

    messages: tuple[Message, ...]
    options: GenerateOptions


class ScriptedEngine:
    """Gives the replies it was made with.

    Args:
        replies: replies in the order of the calls; or a mapping from a text to the reply for conversations that hold
            it (the first that fits); or a function of messages and options. An exception as a reply is raised.
        latency: seconds that each reply takes.
        structured: whether it says that it follows response schemas.

    Attributes:
        calls: what it was asked, in order.
    """

    name = "scripted"

    def __init__(
        self,
        replies: Sequence[Reply] | Mapping[str, Reply] | Answer,
        *,
        latency: float = 0.0,
        structured: bool = False,
    ) -> None:
        if isinstance(replies, str):
            raise ConfigError(f"replies must be a list, a mapping or a function, got the text {one_line(replies)!r}")
        self._answer = _answer(replies)
        self.latency = latency
        self.structured = structured
        self.calls: list[Call] = []

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """The next reply; its usage is an estimate.

        Raises:
            EngineError: no reply is left, or none fits.
        """
        self.calls.append(Call(tuple(messages), options))
        reply = self._answer(messages, options)
        if self.latency:
            await asyncio.sleep(self.latency)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Completion):
            return reply
        return Completion(reply, usage=estimate_usage(messages, reply), model=self.name)


def _answer(replies: Sequence[Reply] | Mapping[str, Reply] | Answer) -> Answer:
    if callable(replies):
        return replies
    if isinstance(replies, Mapping):
        return partial(_fitting, replies)
    return partial(_next, iter(tuple(replies)), len(replies))


def _next(replies: Iterator[Reply], number: int, _messages: Sequence[Message], _options: GenerateOptions) -> Reply:
    try:
        return next(replies)
    except StopIteration:
        raise EngineError(f"the script has {number} replies and was asked for one more; give it more replies") from None


def _fitting(replies: Mapping[str, Reply], messages: Sequence[Message], _options: GenerateOptions) -> Reply:
    conversation = "\n".join(message.text for message in messages)
    for text, reply in replies.items():
        if text in conversation:
            return reply
    raise EngineError(f"no scripted reply fits: none of {list(replies)} is in {one_line(conversation)!r}")
