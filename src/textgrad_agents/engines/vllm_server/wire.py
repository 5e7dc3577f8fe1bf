"""What is asked of vLLM's completions with token ids, and what comes back, checked before anybody learns from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.models.config import LLMConfig
from textgrad_agents.engines.wire import as_object, first_choice, no_choice
from textgrad_agents.errors import EngineReplyError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Finish, Sampling, TokenTrace, Usage

_OTHERS = {"presence_penalty": 0.0, "frequency_penalty": 0.0, "repetition_penalty": 1.0}
# Said in every request, as vLLM would otherwise take what the model's own folder proposes.

_WEIGHTS = ("adapter", "adapter_sha256")  # name the model of the request
_ROUNDING = 1e-3  # above 0, of a log-probability in half precision


def sampling_of(config: LLMConfig, options: GenerateOptions) -> Sampling:
    """How a call is sampled: its options, then the config, then the whole distribution."""
    temperature = config.temperature if options.temperature is None else options.temperature
    top_p = config.top_p if options.top_p is None else options.top_p
    return Sampling(
        temperature=1.0 if temperature is None else temperature,
        top_p=1.0 if top_p is None else top_p,
        top_k=int(options.extra.get("top_k", 0)),
        min_p=float(options.extra.get("min_p", 0.0)),
        seed=config.seed if options.seed is None else options.seed,
        engine="vllm",
    )


def request_body(
    config: LLMConfig, model: str, prompt_ids: Sequence[int], options: GenerateOptions, sampling: Sampling
) -> dict[str, Any]:
    """The body of a request for one reply to a prompt in tokens."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": list(prompt_ids),
        "max_tokens": options.max_tokens or config.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "logprobs": 0,
        "return_token_ids": True,
        **_OTHERS,
        **config.extra_params,
        **{name: value for name, value in options.extra.items() if name not in _WEIGHTS},
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if stop := options.stop or config.stop:
        body["stop"] = list(stop)
    return body


def read_completion(
    reply: Mapping[str, Any], config: LLMConfig, prompt_ids: Sequence[int], sampling: Sampling
) -> Completion:
    """The Completion in a reply, with its trace.

    Raises:
        EngineReplyError: the reply has no choice, no token ids, other prompt tokens than were sent, or not a finite
            log-probability for each token.
    """
    import numpy as np

    choice = first_choice(reply)
    if choice is None:
        raise no_choice(reply, config)
    ids, echoed = choice.get("token_ids"), choice.get("prompt_token_ids")
    if not isinstance(ids, list) or not ids:
        raise _malformed(config, "the reply has no token_ids; vLLM 0.11 or newer gives them (return_token_ids)")
    if isinstance(echoed, list) and list(cast("list[int]", echoed)) != list(prompt_ids):
        raise _malformed(config, "the server read other prompt tokens than were sent; check that it has this model")
    action_ids = cast("list[int]", ids)
    logprobs: Any = as_object(choice.get("logprobs")).get("token_logprobs")
    if not isinstance(logprobs, list) or len(cast("list[Any]", logprobs)) != len(action_ids):
        raise _malformed(config, f"{len(action_ids)} tokens came without a log-probability each")
    numbers = cast("list[Any]", logprobs)
    if not all(isinstance(number, int | float) and math.isfinite(number) and number <= _ROUNDING for number in numbers):
        raise _malformed(config, "a log-probability is missing, not finite or above 0")
    trace = TokenTrace(
        prompt_ids=np.array(prompt_ids, np.int32),
        action_ids=np.array(action_ids, np.int32),
        logprobs=np.minimum(np.array(numbers, np.float32), np.float32(0.0)),
        mask=np.ones(len(action_ids), np.bool_),
        sampling=sampling,
    )
    finish: Finish = "length" if choice.get("finish_reason") == "length" else "stop"
    return Completion(
        text=str(choice.get("text") or ""),
        finish=finish,
        usage=Usage(len(prompt_ids), len(action_ids)),
        model=str(reply.get("model") or config.model_string),
        trace=trace,
    )


def with_weights(completion: Completion, **weights: Any) -> Completion:
    """`completion` with more fields of its trace set."""
    assert completion.trace is not None
    return replace(completion, trace=replace(completion.trace, **weights))


def _malformed(config: LLMConfig, said: str) -> EngineReplyError:
    return make_fault("malformed", f"{config.url}: {said}", EngineReplyError)
