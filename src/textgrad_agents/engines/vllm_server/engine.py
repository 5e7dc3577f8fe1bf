"""`VLLMEngine`: a model behind a vLLM server, asked in tokens, so that its replies can be learned from.

The prompt goes out as token ids and the reply comes back as token ids with the log-probabilities of the sampling
distribution. Nothing is tokenized from text after the fact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from textgrad_agents.engines.base import PerLoop, most_tokens
from textgrad_agents.engines.connection import Connections
from textgrad_agents.engines.exchange import post
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.vllm_server.adapters import ServedAdapters
from textgrad_agents.engines.vllm_server.wire import read_completion, request_body, sampling_of, with_weights
from textgrad_agents.engines.wire import as_object, first_choice, to_wire
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineError, EngineRefusal, EngineReplyError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Adapter, GenerateOptions
from textgrad_agents.messages import Completion, Message, PromptSpan, Usage


class Prompt(Protocol):
    """Tokens of a conversation, and where Variables stand in them."""

    @property
    def ids(self) -> Sequence[int]:
        """Token ids."""
        ...

    @property
    def spans(self) -> tuple[PromptSpan, ...]:
        """Where Variables stand."""
        ...


class Template(Protocol):
    """A chat template with its tokenizer, which must be the server's; `LocalModel.template` is one."""

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """The tokens of a conversation, up to where the assistant speaks."""
        ...

    def remember(self, prompt: Any, action_ids: Sequence[int], reply: str, stop: str) -> None:
        """Keep the tokens of a reply, so that they are not made from its text when it comes back."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens."""
        ...


@dataclass(frozen=True, slots=True)
class _ServerPrompt:
    ids: Sequence[int]
    spans: tuple[PromptSpan, ...] = ()


_COMPLETIONS, _TOKENIZE = "/completions", "/tokenize"
_PROBE = 5  # likeliest tokens to compare


class VLLMEngine:
    """A model behind a vLLM server.

    Usable from several event loops. ``extra`` of a call may hold ``top_k``, ``min_p``, ``adapter`` (a name) and
    ``adapter_sha256`` (refused if the server has no such weights).

    The first call asks the server whether its log-probabilities are those of the sampling distribution.

    Args:
        model: the name that the server gives the model.
        base_url: the server's address, ending in ``/v1``.
        template: makes prompts; left out, the server makes them by the model's chat template, and traces tell no
            spans.
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
        template: Template | None = None,
        base: str = "",
        window: int = 6,
        **settings: Any,
    ) -> None:
        fields: dict[str, Any] = {"api_key_env_var": None, "max_tokens": 512, **settings}
        self.config = LLMConfig(name=f"vllm:{model}", model_string=model, base_url=base_url, **fields)
        self.template = template
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
        prompt = await self._prompt(messages)
        if not self._checked:
            async with self._locks.get():
                if not self._checked:
                    await self._check_logprobs(prompt.ids)
                    self._checked = True
        adapter = self.adapters.wanted(options.extra)
        sampling = sampling_of(self.config, options)
        model = self.adapters.wire_name(adapter) if adapter else self.config.model_string
        body = request_body(self.config, model, prompt.ids, options, sampling)
        reply = await self._post(body, _COMPLETIONS, adapter)
        completion = read_completion(reply, self.config, prompt.ids, sampling)
        self._remember(prompt, completion, reply)
        weights: dict[str, Any] = {"spans": prompt.spans, "base": self.base}
        if adapter is not None:
            weights |= {"adapter": adapter.sha256, "adapter_version": adapter.version}
        return with_weights(completion, **weights)

    async def aclose(self) -> None:
        """Close the connections of the running loop. The engine may be used again."""
        connections = self._connections.pop()
        if connections is not None:
            await connections.aclose()

    async def _prompt(self, messages: Sequence[Message]) -> Prompt:
        if self.template is not None:
            return self.template.prompt(messages)
        root = self.config.url.rstrip("/").removesuffix("/v1")
        chat = [to_wire(message) for message in messages]
        body = {"model": self.config.model_string, "messages": chat, "add_generation_prompt": True}
        tokens = (await self._post(body, root + _TOKENIZE)).get("tokens")
        if not isinstance(tokens, list) or not tokens:
            said = f"{root + _TOKENIZE} gave no tokens; check that {self.server} is a vLLM server, or give template"
            raise make_fault("malformed", said, EngineReplyError)
        return _ServerPrompt(cast("list[int]", tokens))

    def _remember(self, prompt: Prompt, completion: Completion, reply: Mapping[str, Any]) -> None:
        """A reply that a stop text cut is left out: its tokens say more than its text."""
        assert completion.trace is not None
        if self.template is None or isinstance((first_choice(reply) or {}).get("stop_reason"), str):
            return
        ids: list[int] = completion.trace.action_ids.tolist()
        stop = self.template.decode(ids[-1:]) if completion.finish == "stop" else ""
        self.template.remember(prompt, ids, completion.text, stop)

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

    async def _post(self, body: Mapping[str, Any], path: str, adapter: Adapter | None = None) -> Mapping[str, Any]:
        try:
            return await post(self._connections.get(), self.config, body, path)
        except EngineError as error:
            if error.kind != "model":
                raise
            if adapter is None:
                raise
            self.adapters.lost(adapter)
            raise make_fault(
                "model",
                f"{self.server} does not have the adapter {self.adapters.wire_name(adapter)} any more; it was "
                "restarted, or more adapters are in use than --max-loras allows: load it again, or start the server "
                f"with --max-loras {self.adapters.window}",
                EngineAccessError,
            ) from None
