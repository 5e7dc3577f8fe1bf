"""What an engine returns: the reply, its tokens, its cost in tokens.

The trace is numpy only, so that engines and learners share it without meeting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from textgrad_agents.messages.calls import ToolCall

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Finish = Literal["stop", "length", "tool_calls", "content_filter", "refusal"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `estimated` is True where the server did not report them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.cached_tokens - other.cached_tokens,
            self.reasoning_tokens - other.reasoning_tokens,
            self.estimated,
        )


@dataclass(frozen=True, slots=True)
class PromptSpan:
    """Where the text of a Variable stands in a prompt, so that the same step can be rendered with another text.

    Attributes:
        start: index of its first token in `TokenTrace.prompt_ids`.
        end: index after its last token.
        variable: name of the Variable.
        version: hash of the text (`seeds.text_hash`).
    """

    start: int
    end: int
    variable: str
    version: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply was sampled.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token.
        top_p: nucleus mass; below 1 the recorded log-probabilities no longer are those of the whole distribution.
        top_k: number of tokens that could be drawn, 0 for all.
        min_p: least probability beside that of the likeliest token, 0 for any.
        seed: seed of the call.
        engine: what sampled (``transformers``, ``vllm``).
        dtype: number format of the forward pass.
        logprobs: "processed" if the log-probabilities are those of the sampling distribution (after temperature),
            "raw" if they are the model's own.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    engine: str = ""
    dtype: str = ""
    logprobs: Literal["processed", "raw"] = "processed"


@dataclass(frozen=True, slots=True, eq=False)
class TokenTrace:
    """The tokens behind a completion, as the sampler saw them.

    Attributes:
        prompt_ids: int32 `(P,)`.
        action_ids: int32 `(A,)`, the generated tokens.
        logprobs: float32 `(A,)`, log-probability of each generated token under the sampling distribution, nats.
        mask: bool `(A,)`, True where the model chose the token, False where the environment wrote it.
        spans: the Variables whose texts stand in the prompt, in order.
        sampling: how the tokens were drawn.
        base: hash of the base model's weights, "" if unknown.
        adapter: hash of the adapter's weights, "" for the base model alone.
        adapter_version: how often the adapter had been updated when it sampled.
    """

    prompt_ids: NDArray[np.int32]
    action_ids: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    mask: NDArray[np.bool_]
    spans: tuple[PromptSpan, ...] = ()
    sampling: Sampling = Sampling()
    base: str = ""
    adapter: str = ""
    adapter_version: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """An engine's reply.

    Attributes:
        text: the reply's text ("" if it only calls tools).
        finish: why generation ended.
        usage: tokens of the call.
        tool_calls: tool calls, in order.
        model: the model that answered, as it names itself.
        trace: token ids and log-probabilities, if the engine records them.
        details: further facts of the call that an engine wants kept (JSON-like).
    """

    text: str
    finish: Finish = "stop"
    usage: Usage = Usage()
    tool_calls: tuple[ToolCall, ...] = ()
    model: str = ""
    trace: TokenTrace | None = None
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])
