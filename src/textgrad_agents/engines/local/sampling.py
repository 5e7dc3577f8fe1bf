"""Batched sampling whose draws belong to their requests.

Each request draws from a generator of its own seed, one number per token, so the company that it shares a batch with
does not matter (beyond the last bits of a forward pass, whose sums depend on the shape of the batch).
"""

# The types that torch and transformers leave open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from textgrad_agents.engines.local.model import LocalModel
from textgrad_agents.engines.local.template import ChatTemplate
from textgrad_agents.messages import Finish, Sampling

_TAIL = 16  # tokens whose text is searched for the end of a stop sequence, besides one per character of it


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sampled.

    Attributes:
        ids: token ids of the prompt, one or more.
        max_tokens: most tokens to sample.
        sampling: how they are drawn; the seed must be given.
        stop: texts that end the reply.
    """

    ids: tuple[int, ...]
    max_tokens: int
    sampling: Sampling
    stop: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Sample:
    """What was sampled.

    Attributes:
        ids: the tokens, the one that ended the reply among them.
        logprobs: of each under the distribution that it was drawn from; under the model's own at temperature 0.
        finish: ``stop`` or ``length``.
        stopped_by: the token or the text that ended the reply, None if its length did.
    """

    ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])
    finish: Finish = "length"
    stopped_by: int | str | None = None


@torch.no_grad()
def sample(model: LocalModel, requests: Sequence[Request], adapter: str | None = None) -> list[Sample]:
    """One reply per request, in one batch; a prompt that several of them have is computed once."""
    samples = [Sample() for _ in requests]
    rows = torch.arange(len(requests))  # the requests that are still under way
    draws = [np.random.default_rng(request.sampling.seed).random(request.max_tokens) for request in requests]
    stops = stop_tokens(model)
    prompts: dict[tuple[int, ...], int] = {}
    sources = torch.tensor([prompts.setdefault(request.ids, len(prompts)) for request in requests])
    ids, attention = _left_padded(model, list(prompts))
    positions = (attention.cumsum(-1) - 1).clamp(min=0)
    cache: Any = None
    with model.use(adapter):
        while True:
            output: Any = model.module(
                input_ids=ids,
                attention_mask=attention,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.past_key_values
            live = [requests[row] for row in rows.tolist()]
            numbers = [draws[row][len(samples[row].ids)] for row in rows.tolist()]
            logits_BV = output.logits[:, -1][sources.to(model.device)]
            tokens, logprobs = draw(logits_BV, [request.sampling for request in live], numbers)
            going: list[int] = []
            for place, (row, token, logprob) in enumerate(
                zip(rows.tolist(), tokens.tolist(), logprobs.tolist(), strict=True)
            ):
                _append(samples[row], requests[row], token, logprob, stops, model.template)
                if samples[row].stopped_by is None and len(samples[row].ids) < requests[row].max_tokens:
                    going.append(place)
            if not going:
                return samples
            keep = torch.tensor(going)
            if sources[keep].tolist() != list(range(len(attention))):
                chosen = sources[keep].to(model.device)
                cache.batch_select_indices(chosen)
                attention, positions = attention[chosen], positions[chosen]
            rows, tokens = rows[keep], tokens[keep]
            sources = torch.arange(len(rows))  # from here on each has a row of its own
            ids = tokens[:, None].to(model.device)
            positions = positions[:, -1:] + 1
            attention = torch.cat([attention, attention.new_ones(len(rows), 1)], dim=1)


def draw(
    logits_BV: torch.Tensor, how: Sequence[Sampling], numbers: Sequence[float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token per row, by inverting the cumulative distribution at a number in [0, 1), and its log-probability."""
    device = logits_BV.device
    temperatures = torch.tensor([one.temperature or 1.0 for one in how], device=device)
    logprobs_BV = torch.log_softmax(logits_BV.float() / temperatures[:, None], -1)
    logprobs_BV = _truncated(logprobs_BV, how)
    cumulative_BV = logprobs_BV.double().exp().cumsum(-1)
    at_B1 = torch.tensor(numbers, device=device, dtype=torch.float64)[:, None] * cumulative_BV[:, -1:]
    drawn_B = torch.searchsorted(cumulative_BV, at_B1, right=True)[:, 0].clamp(max=logits_BV.shape[-1] - 1)
    greedy_B = torch.tensor([one.temperature == 0 for one in how], device=device)
    tokens_B = torch.where(greedy_B, logprobs_BV.argmax(-1), drawn_B)
    return tokens_B.cpu(), logprobs_BV.gather(-1, tokens_B[:, None])[:, 0].cpu()


def _truncated(logprobs_BV: torch.Tensor, how: Sequence[Sampling]) -> torch.Tensor:
    """The distributions without what top_k, top_p and min_p cut off; untouched where they cut nothing."""
    if all(one.top_k == 0 and one.top_p >= 1 and one.min_p == 0 for one in how):
        return logprobs_BV
    size, device = logprobs_BV.shape[-1], logprobs_BV.device
    top_k, top_p, min_p = (
        torch.tensor(values, device=device)[:, None]
        for values in ([one.top_k or size for one in how], [one.top_p for one in how], [one.min_p for one in how])
    )
    ordered, order = logprobs_BV.sort(dim=-1, descending=True, stable=True)
    mass = ordered.exp()
    before = mass.cumsum(-1) - mass
    kept = (
        (torch.arange(size, device=device) < top_k) & ((before < top_p) | (top_p >= 1)) & (mass >= min_p * mass[:, :1])
    )
    cut = torch.full_like(logprobs_BV, -torch.inf).scatter(-1, order, ordered.masked_fill(~kept, -torch.inf))
    return torch.log_softmax(cut, -1)


def stop_tokens(model: LocalModel) -> frozenset[int]:
    """The tokens that end a reply: the tokenizer's and those that the model's generation config names."""
    config: Any = getattr(model.module, "generation_config", None)
    named: Any = getattr(config, "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(one for one in (*several, model.tokenizer.eos_token_id) if one is not None)


def _append(
    sample: Sample, request: Request, token: int, logprob: float, stops: frozenset[int], template: ChatTemplate
) -> None:
    sample.ids.append(token)
    sample.logprobs.append(logprob)
    if token in stops:
        sample.finish, sample.stopped_by = "stop", token
    elif request.stop:
        tail = template.decode(sample.ids[-(max(map(len, request.stop)) + _TAIL) :], special=False)
        found = next((text for text in request.stop if text in tail), None)
        if found is not None:
            sample.finish, sample.stopped_by = "stop", found


def _left_padded(model: LocalModel, prompts: Sequence[tuple[int, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts with their ends at the same place, and 1 where there is a token."""
    longest = max(map(len, prompts))
    pad = model.tokenizer.pad_token_id or 0
    ids = [(pad,) * (longest - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=model.device), torch.tensor(mask, device=model.device)
