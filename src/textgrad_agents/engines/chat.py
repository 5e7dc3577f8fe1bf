"""`ChatEngine`: a model behind an OpenAI-compatible Chat Completions address.

One call is one HTTP request: no retries (see `Retried`), no redirects, the key to the configured host alone. `openai`
is imported on the first call.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from textgrad_agents.engines.base import PerLoop, most_tokens
from textgrad_agents.engines.chunks import Assembly
from textgrad_agents.engines.connection import Connections
from textgrad_agents.engines.exchange import post, stream_events
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.models.pricing import cost_of
from textgrad_agents.engines.parameters import most_written, parameters
from textgrad_agents.engines.structured import LOWER, Form, Level
from textgrad_agents.engines.wire import read_completion, request_body
from textgrad_agents.errors import EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage

_log = logging.getLogger(__name__)

_LEVELS: Mapping[bool | str, Level] = {True: "json_schema", "json_object": "json_object", False: "tags"}


class ChatEngine:
    """A model behind a Chat Completions address.

    Usable from several event loops; the connections of a loop are closed when the loop ends, the engine is dropped, or
    by `aclose`. Copies made by pickle have the config without an inline key.

    Args:
        config: which model, where, with which defaults.
    """

    def __init__(self, config: LLMConfig) -> None:
        self.config = config
        self._connections = PerLoop(partial(Connections, config))
        self._level: Level = _LEVELS[config.structured]
        self._told: set[str] = set()

    def __reduce__(self) -> tuple[type[ChatEngine], tuple[LLMConfig]]:
        return type(self), (self.config,)

    def __repr__(self) -> str:
        return f"ChatEngine({self.config.name!r})"

    @property
    def name(self) -> str:
        """The config's name."""
        return self.config.name

    @property
    def server(self) -> str:
        """The server's address."""
        return self.config.url

    @property
    def rates(self) -> tuple[float | None, float | None]:
        """Requests and tokens per minute that the account allows."""
        return self.config.requests_per_minute, self.config.tokens_per_minute

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the answers to a request besides the request."""
        return self.config.identity()

    @property
    def structured(self) -> bool:
        """True if the server holds the model to a response schema, or at least to JSON."""
        return self._level != "tags"

    def cost(self, usage: Usage) -> float | None:
        """USD for `usage`, or None if the model's price is not known."""
        return cost_of(self.config, usage)

    def most_usage(self, messages: Sequence[Message], options: GenerateOptions) -> Usage:
        """The most that a call may use: no tokenizer makes more tokens of the request, and the reply is capped."""
        cap = most_written(self.config, options)
        return Usage(input_tokens=most_tokens(messages, options), output_tokens=cap, estimated=True)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`. `Completion.details` holds the parameters that were sent.

        A response schema is asked for in the strictest way that the server accepts (`engines.structured`); what it
        refuses once is not tried again.

        Raises:
            ConfigError: the key may not be sent to the configured address.
            EngineError: no usable answer.
        """
        body = self._body(messages, options)
        if options.response_schema is None:
            return await self._complete(body, messages)
        while True:
            form = Form.of(body, options.response_schema, self._level)
            try:
                completion = form.read(await self._complete(form.ask(body), messages))
            except EngineError as error:
                if error.kind != "format" or form.level not in LOWER:
                    raise
            else:
                return replace(completion, details={**completion.details, "structured": form.level})
            self._step_down(form.level)

    async def stream(
        self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS
    ) -> AsyncGenerator[str | Completion, None]:
        """Answer `messages`: pieces of the text as they come, and the whole Completion at the end.

        A response schema is asked for, but what comes is not checked against it.

        Raises:
            ConfigError, EngineError: as in `generate`; pieces that came before an error are no answer.
        """
        body = self._body(messages, options)
        if options.response_schema is not None:
            body = Form.of(body, options.response_schema, self._level).ask(body)
        assembly = Assembly(self.config, messages)
        async with aclosing(stream_events(self._connections.get(), self.config, body)) as events:
            async for event in events:
                if piece := assembly.add(event):
                    yield piece
        yield self._read(assembly.reply(), body, messages)

    async def aclose(self) -> None:
        """Close the connections of the running loop. The engine may be used again."""
        connections = self._connections.pop()
        if connections is not None:
            await connections.aclose()

    # -- one request -------------------------------------------------------------------------------------------------

    def _body(self, messages: Sequence[Message], options: GenerateOptions) -> dict[str, Any]:
        self.config.get_api_key()  # a missing key is said before anything is sent
        sampling, dropped = parameters(self.config, options)
        self._tell(dropped)
        return request_body(self.config, messages, options, sampling)

    async def _complete(self, body: Mapping[str, Any], messages: Sequence[Message]) -> Completion:
        if not self.config.stream:
            return self._read(await post(self._connections.get(), self.config, body), body, messages)
        assembly = Assembly(self.config, messages)
        async with aclosing(stream_events(self._connections.get(), self.config, body)) as events:
            async for event in events:
                assembly.add(event)
        return self._read(assembly.reply(), body, messages)

    def _read(self, reply: Mapping[str, Any], body: Mapping[str, Any], messages: Sequence[Message]) -> Completion:
        completion = read_completion(reply, self.config, messages)
        sent = {name: value for name, value in body.items() if name not in ("model", "messages", "tools")}
        return replace(completion, details={"parameters": sent, **completion.details})

    def _step_down(self, level: Level) -> None:
        if self._level == level:
            self._level = LOWER[level]
            _log.warning("%s takes no %s; asking by %s from now on", self.config.model_string, level, self._level)

    def _tell(self, dropped: tuple[str, ...]) -> None:
        new = [name for name in dropped if name not in self._told]
        if new:
            self._told.update(new)
            _log.warning("%s takes no %s while it reasons; not sent", self.config.model_string, ", ".join(new))
