"""`LocalEngine`: a model of this process as an engine that records tokens."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from textgrad_agents.engines.local.model import LocalModel
from textgrad_agents.engines.local.sampling import Request, Sample, sample
from textgrad_agents.engines.local.template import Prompt
from textgrad_agents.errors import ConfigError, EngineError, EngineRefusal
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Adapter, GenerateOptions
from textgrad_agents.messages import Completion, Message, Sampling, TokenTrace, Usage

_EXTRA = {"adapter", "adapter_sha256", "min_p", "top_k"}
_LINGER = 0.004  # seconds that a batch waits for one more call


class _Weights(NamedTuple):
    """Which weights a call wants: an adapter by name (None: the base alone), and their hash if it must be that one."""

    adapter: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that waits for its batch."""

    prompt: Prompt
    request: Request
    weights: _Weights
    future: Future[Completion]


class LocalEngine:
    """Answers with a model of this process; calls made at the same time share batches.

    What a call gets depends on its messages, its options and the weights, not on the calls that it shares a batch with.
    Besides `GenerateOptions`, ``extra`` may hold ``top_k``, ``min_p``, ``adapter`` (a name) and ``adapter_sha256``
    (refused if the adapter's weights are others by now). Every completion has a token trace.

    Args:
        model: the model.
        adapter: name of the adapter that answers where a call names none; None for the base model.
        max_batch: most calls in one batch.
        max_tokens: cap on generated tokens where a call gives none.
        temperature: where a call gives none.
    """

    structured = False

    def __init__(
        self,
        model: LocalModel,
        adapter: str | None = None,
        *,
        max_batch: int = 64,
        max_tokens: int = 1024,
        temperature: float = 1.0,
    ) -> None:
        if max_batch < 1 or max_tokens < 1:
            raise ConfigError(f"max_batch and max_tokens are at least 1, got {max_batch} and {max_tokens}")
        if adapter is not None:
            model.adapter(adapter)
        self.model = model
        self.adapter = adapter
        self._max_batch, self._max_tokens, self._temperature = max_batch, max_tokens, temperature
        self._lock = threading.Lock()
        self._waiting: list[_Call] = []
        self._batch: list[_Call] = []
        self._busy = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-engine")

    @property
    def name(self) -> str:
        """The model's name behind ``local:``."""
        return f"local:{self.model.name}"

    @property
    def identity(self) -> Mapping[str, Any]:
        """What decides the answers besides the request: weights and defaults."""
        adapter = None if self.adapter is None else self.model.adapter(self.adapter).sha256
        return {
            "engine": "local",
            "base": self.model.base_hash,
            "adapter": adapter,
            "dtype": str(self.model.dtype),
            "max_tokens": self._max_tokens,
            "temperature": self._temperature,
        }

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`, together with the other calls of the moment.

        Raises:
            EngineRefusal: tools, images, an unknown parameter, weights that are not there, or too long a conversation.
            EngineError: the batch does not fit into memory.
        """
        call = self._call(messages, options)
        with self._lock:
            self._waiting.append(call)
            busy, self._busy = self._busy, True
        if not busy:
            self._next_batch()
        return await asyncio.wrap_future(call.future)

    # -- requests ------------------------------------------------------------------------------------------------

    def _call(self, messages: Sequence[Message], options: GenerateOptions) -> _Call:
        if options.tools:
            raise EngineRefusal("tools are not called by local models; describe them in words, or use another engine")
        if unknown := sorted(options.extra.keys() - _EXTRA):
            raise EngineRefusal(
                f"a local model takes no {', '.join(unknown)}; extra may hold {', '.join(sorted(_EXTRA))}"
            )
        prompt = self.model.template.prompt(messages)
        temperature = self._temperature if options.temperature is None else options.temperature
        sampling = Sampling(
            temperature=temperature,
            top_p=1.0 if options.top_p is None else options.top_p,
            top_k=int(options.extra.get("top_k", 0)),
            min_p=float(options.extra.get("min_p", 0.0)),
            seed=secrets.randbits(63) if options.seed is None else options.seed,
            engine="transformers",
            dtype=str(self.model.dtype).removeprefix("torch."),
            logprobs="raw" if temperature == 0 else "processed",
        )
        room = self._room(len(prompt.ids))
        request = Request(prompt.ids, min(options.max_tokens or self._max_tokens, room), sampling, options.stop)
        weights = _Weights(options.extra.get("adapter", self.adapter), options.extra.get("adapter_sha256"))
        self._adapter_of(weights)
        return _Call(prompt, request, weights, Future())

    def _room(self, taken: int) -> int:
        """Tokens that still fit behind a prompt."""
        config: Any = getattr(self.model.module, "config", None)
        limit = int(getattr(config, "max_position_embeddings", 0) or 2**31)
        if not 0 < taken < limit:
            raise EngineRefusal(
                f"the conversation has {taken} tokens and {self.model.name} takes {limit}; shorten it", kind="context"
            )
        return limit - taken

    def _adapter_of(self, weights: _Weights) -> Adapter | None:
        if weights.adapter is None:
            return None
        try:
            adapter = self.model.adapter(weights.adapter)
        except ConfigError as error:
            raise EngineRefusal(str(error)) from None
        if weights.sha256 not in (None, adapter.sha256):
            raise EngineRefusal(
                f"adapter {adapter.name!r} is at version {adapter.version} by now and its weights are not those asked "
                f"for ({weights.sha256:.16}); ask with the handle that the model gives now, or load the older weights"
            )
        return adapter

    # -- batches -------------------------------------------------------------------------------------------------

    def _next_batch(self) -> None:
        self._worker.submit(self._run_batch).add_done_callback(self._deliver)

    def _run_batch(self) -> list[Completion]:
        """Answer the calls of the moment that want the same weights."""
        batch = self._batch = self._collect()
        if not batch:
            return []
        weights = batch[0].weights
        try:
            with self.model.use(weights.adapter):  # from here on the weights stay what they are
                adapter = self._adapter_of(weights)
                requests = [call.request for call in batch]
                samples = sample(self.model, requests, weights.adapter)
        except torch.OutOfMemoryError:
            raise EngineError(
                f"a batch of {len(batch)} calls does not fit into the memory of {self.model.device}; "
                f"make the engine with a max_batch below {len(batch)}, or use shorter conversations"
            ) from None
        return [self._completion(call, one, adapter) for call, one in zip(batch, samples, strict=True)]

    def _collect(self) -> list[_Call]:
        """The next batch: wait as long as calls keep coming, and leave out what was cancelled meanwhile."""
        seen = 0
        while seen < min(len(self._waiting), self._max_batch):
            seen = len(self._waiting)
            time.sleep(_LINGER)
        with self._lock:
            weights = self._waiting[0].weights
            batch = [call for call in self._waiting if call.weights == weights][: self._max_batch]
            taken = set(map(id, batch))
            self._waiting = [call for call in self._waiting if id(call) not in taken]
        return [call for call in batch if call.future.set_running_or_notify_cancel()]

    def _deliver(self, done: Future[list[Completion]]) -> None:
        error = done.exception()
        for place, call in enumerate(self._batch):
            if error is None:
                call.future.set_result(done.result()[place])
            else:
                call.future.set_exception(error)
        with self._lock:
            self._batch = []
            busy = self._busy = bool(self._waiting)
        if busy:
            self._next_batch()

    def _completion(self, call: _Call, done: Sample, adapter: Adapter | None) -> Completion:
        by_token = isinstance(done.stopped_by, int)
        said = done.ids[:-1] if by_token else done.ids
        text = self.model.template.decode(said, special=False)
        if isinstance(done.stopped_by, str):
            text = text[: text.index(done.stopped_by)]
        else:
            stop = self.model.template.decode(done.ids[-1:]) if by_token else ""
            self.model.template.remember(call.prompt, done.ids, text, stop)
        trace = TokenTrace(
            prompt_ids=np.array(call.prompt.ids, np.int32),
            action_ids=np.array(done.ids, np.int32),
            logprobs=np.array(done.logprobs, np.float32),
            mask=np.ones(len(done.ids), np.bool_),
            spans=call.prompt.spans,
            sampling=call.request.sampling,
            base=self.model.base_hash,
            adapter="" if adapter is None else adapter.sha256,
            adapter_version=0 if adapter is None else adapter.version,
        )
        usage = Usage(len(call.prompt.ids), len(done.ids))
        return Completion(text, done.finish, usage, model=self.name, trace=trace)
