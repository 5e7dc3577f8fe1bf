"""`VLLMEngine`: a model behind a vLLM server, asked in tokens, so that its replies can be learned from.

The prompt goes out as token ids and the reply comes back as token ids with the log-probabilities of the sampling
distribution. Nothing is tokenized from text after the fact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

from textgrad_agents.engines.base import PerLoop, most_tokens
from textgrad_agents.engines.connection import Connections
from textgrad_agents.engines.exchange import post
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.vllm_server.adapters import ServedAdapters
from textgrad_agents.engines.vllm_server.wire import read_completion, request_body, sampling_of, with_weights
from textgrad_agents.engines.wire import as_object, first_choice, to_wire
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineError, EngineRefusal, EngineReplyError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, PromptSpan, Usage

Render: TypeAlias = Callable[[Sequence[Message]], tuple[Sequence[int], tuple[PromptSpan, ...]]]
"""Messages into the tokens of a prompt that asks for a reply, and where Variables stand in it."""

_COMPLETIONS, _TOKENIZE = "/completions", "/tokenize"
_PROBE = 5  # likeliest tokens to compare


class VLLMEngine:
    """A model behind a vLLM server.

    Usable from several event loops. The first call asks the server whether its log-probabilities are those of the
    sampling distribution.

    Args:
        model: the name that the server gives the model.
        base_url: the server's address, ending in ``/v1``.
        render: makes prompts, with the same tokenizer as the server's; left out, the server makes them by the model's
            chat template, and traces tell no spans.
        base: hash of the model's weights, for traces.
        window: adapter versions that the server keeps; the staleness that a learner allows, and two.
        settings: further fields of an `LLMConfig`: max_tokens, timeout, api_key_env_var, …

    Attributes:
        adapters: those that the server has; the latest one loaded there is the one that samples.

    Raises:
        ConfigError: a setting cannot be used.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        render: Render | None = None,
        base: str = "",
        window: int = 6,
        **settings: Any,
    ) -> None:
        fields: dict[str, Any] = {"api_key_env_var": None, "max_tokens": 512, **settings}
        self.config = LLMConfig(name=f"vllm:{model}", model_string=model, base_url=base_url, **fields)
        self.render = render
        self.base = base
        self._connections = PerLoop(partial(Connections, self.config))
        self._locks = PerLoop(asyncio.Lock)
        self._checked = False
        self.adapters = ServedAdapters(self.config, self._connections, window)

    def __repr__(self) -> str:
        return f"VLLMEngine({self.config.model_string!r}, {self.config.url!r})"

    @property
    def name(self) -> str:
        """``vllm:`` and the model."""
        return self.config.name

    @property
    def server(self) -> str:
        """The server's address."""
        return self.config.url

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the answers to a request besides the request: the model, its settings, the adapter."""
        adapter = self.adapters.current
        return {**self.config.identity(), "base": self.base, "adapter": adapter.sha256 if adapter else ""}

    def most_usage(self, messages: Sequence[Message], options: GenerateOptions) -> Usage:
        """The most that a call may use."""
        return Usage(most_tokens(messages, options), options.max_tokens or self.config.max_tokens, estimated=True)

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`; the Completion has a trace.

        Raises:
            ConfigError: the server reports log-probabilities of another distribution than it samples from.
            EngineRefusal: the call offers tools.
            EngineError: no usable answer.
        """
        if options.tools:
            raise EngineRefusal(
                f"{self.name} is asked in tokens and calls no tools; use ChatEngine with {self.server}, which records "
                "no tokens, or describe the tools in the prompt"
            )
        prompt_ids, spans = await self._prompt(messages)
        if not self._checked:
            async with self._locks.get():
                if not self._checked:
                    await self._check_logprobs(prompt_ids)
                    self._checked = True
        adapter = self.adapters.current
        sampling = sampling_of(self.config, options)
        model = self.adapters.wire_name(adapter) if adapter else self.config.model_string
        body = request_body(self.config, model, prompt_ids, options, sampling)
        reply = await self._post(body, _COMPLETIONS)
        completion = read_completion(reply, self.config, prompt_ids, sampling)
        weights: dict[str, Any] = {"spans": spans, "base": self.base}
        if adapter is not None:
            weights |= {"adapter": adapter.sha256, "adapter_version": adapter.version}
        return with_weights(completion, **weights)

    async def aclose(self) -> None:
        """Close the connections of the running loop. The engine may be used again."""
        connections = self._connections.pop()
        if connections is not None:
            await connections.aclose()

    async def _prompt(self, messages: Sequence[Message]) -> tuple[Sequence[int], tuple[PromptSpan, ...]]:
        if self.render is not None:
            return self.render(messages)
        root = self.config.url.rstrip("/").removesuffix("/v1")
        chat = [to_wire(message) for message in messages]
        body = {"model": self.config.model_string, "messages": chat, "add_generation_prompt": True}
        tokens = (await self._post(body, root + _TOKENIZE)).get("tokens")
        if not isinstance(tokens, list) or not tokens:
            said = f"{root + _TOKENIZE} gave no tokens; check that {self.server} is a vLLM server, or give render"
            raise make_fault("malformed", said, EngineReplyError)
        return cast("list[int]", tokens), ()

    async def _check_logprobs(self, prompt_ids: Sequence[int]) -> None:
        """See that a higher temperature brings the log-probabilities of the likeliest tokens closer together.

        Raises:
            ConfigError: it does not, so the server reports those of the model before temperature and truncation.
        """
        one, two = [await self._spread(prompt_ids, temperature) for temperature in (1.0, 2.0)]
        if two > 0.75 * one:  # half of it if they are those of the sampling distribution
            raise ConfigError(
                f"{self.server} reports raw log-probabilities, and learning needs those that tokens were sampled with; "
                "start the server with --logprobs-mode processed_logprobs"
            )

    async def _spread(self, prompt_ids: Sequence[int], temperature: float) -> float:
        options = GenerateOptions(temperature=temperature, top_p=1.0, max_tokens=1)
        sampling = sampling_of(self.config, options)
        body = request_body(self.config, self.config.model_string, prompt_ids, options, sampling)
        reply = await self._post({**body, "logprobs": _PROBE}, _COMPLETIONS)
        likeliest: Any = as_object((first_choice(reply) or {}).get("logprobs")).get("top_logprobs") or [{}]
        first = as_object(likeliest[0])
        numbers = sorted(float(number) for number in first.values() if isinstance(number, int | float))
        if len(numbers) < 2:
            raise make_fault("malformed", f"{self.server} gave no log-probabilities when asked", EngineReplyError)
        return numbers[-1] - numbers[-min(len(numbers), _PROBE)]

    async def _post(self, body: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        try:
            return await post(self._connections.get(), self.config, body, path)
        except EngineError as error:
            if error.kind != "model":
                raise
            missing = error
        adapter = self.adapters.current
        if adapter is None:
            raise missing
        self.adapters.lost(adapter)
        raise make_fault(
            "model",
            f"{self.server} does not have the adapter {self.adapters.wire_name(adapter)} any more; it was restarted, "
            "or more adapters are in use than --max-loras allows: load it again, or start the server with --max-loras "
            f"{self.adapters.window}",
            EngineAccessError,
        ) from None
