"""Token traces (K of them) as arrays and a table of names.

The parts of all traces stand end to end, with the place and the lengths of each. What few traces differ in (how they
were sampled, by which weights) and the texts of spans are in the table, which arrays refer to by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from textgrad_agents.messages import PromptSpan, Sampling, TokenTrace
from textgrad_agents.validation import explain

Traces = dict[tuple[int, str], TokenTrace]
"""Token traces by timestep and agent."""

Source = tuple[Sampling, str, str, int]
"""How a trace was sampled (seed aside), base, adapter, version of the adapter."""

_TYPES = {"prompt_ids": np.int32, "action_ids": np.int32, "logprobs": np.float32, "mask": np.bool_}
_SOURCES = TypeAdapter(list[Source])
_SEEDS = TypeAdapter(list[int | None])
_TEXTS = TypeAdapter(list[str])


def pack(placed: Sequence[tuple[int, int, TokenTrace]]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and table of traces with their places (numbers of cycle and agent); both empty if there are none."""
    if not placed:
        return {}, {}
    traces = [trace for _, _, trace in placed]
    sources: dict[Source, int] = {}
    texts: dict[str, int] = {}
    spans: list[tuple[int, int, int, int]] = []
    for trace in traces:
        for one in trace.spans:
            variable, version = (texts.setdefault(text, len(texts)) for text in (one.variable, one.version))
            spans.append((one.start, one.end, variable, version))
    arrays: dict[str, NDArray[Any]] = {
        f"trace.{name}": np.concatenate([getattr(trace, name) for trace in traces]).astype(kind, copy=False)
        for name, kind in _TYPES.items()
    }
    numbers = {
        "place_K2": [(t, n) for t, n, _ in placed],
        "length_K2": [(len(trace.prompt_ids), len(trace.action_ids)) for trace in traces],
        "source_K": [sources.setdefault(_source(trace), len(sources)) for trace in traces],
        "spans_K": [len(trace.spans) for trace in traces],
    }
    arrays |= {f"trace.{name}": np.array(values, np.int64) for name, values in numbers.items()}
    arrays["trace.span_S4"] = np.array(spans, np.int64).reshape(-1, 4)
    return arrays, {
        "sources": _SOURCES.dump_python(list(sources), mode="json"),
        "seeds": [trace.sampling.seed for trace in traces],
        "texts": list(texts),
    }


def unpack(
    arrays: dict[str, NDArray[Any]], table: dict[str, Any], timesteps: Sequence[int], agents: Sequence[str]
) -> Traces:
    """Undo `pack`. Files of earlier versions have no table: their traces hold the four arrays alone.

    Raises:
        LookupError, TypeError, ValueError: the parts contradict each other.
    """
    places: list[tuple[int, int]] = arrays["trace.place_K2"].tolist()
    lengths: list[tuple[int, int]] = arrays["trace.length_K2"].tolist()
    parts = {
        name: _cut(name, arrays[f"trace.{name}"], [one[name != "prompt_ids"] for one in lengths]) for name in _TYPES
    }
    details = _details(arrays, table, len(places)) if table else [dict[str, Any]()] * len(places)
    traces: Traces = {}
    for k, ((t, n), detail) in enumerate(zip(places, details, strict=True)):
        if min(t, n) < 0:
            raise ValueError(f"trace.place_K2 holds the place {t}, {n}")
        traces[timesteps[t], agents[n]] = TokenTrace(**{name: part[k] for name, part in parts.items()}, **detail)
    return traces


def _source(trace: TokenTrace) -> Source:
    return replace(trace.sampling, seed=None), trace.base, trace.adapter, trace.adapter_version


def _cut(name: str, array: NDArray[Any], lengths: Sequence[int]) -> list[NDArray[Any]]:
    ends = [0, *accumulate(lengths)]
    if min(lengths, default=0) < 0 or ends[-1] != len(array) or (name in _TYPES and array.dtype != _TYPES[name]):
        raise ValueError(f"trace.{name} does not fit the lengths of the traces")
    return [array[start:end] for start, end in pairwise(ends)]


def _details(arrays: dict[str, NDArray[Any]], table: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What each trace has besides its tokens."""
    try:
        sources = _SOURCES.validate_python(table["sources"])
        seeds, texts = _SEEDS.validate_python(table["seeds"]), _TEXTS.validate_python(table["texts"])
    except ValidationError as error:
        raise ValueError(explain(error)) from None
    spans = _cut("span_S4", arrays["trace.span_S4"], arrays["trace.spans_K"].tolist())
    numbers: list[int] = arrays["trace.source_K"].tolist()
    if not len(spans) == len(seeds) == len(numbers) == count:
        raise ValueError(f"the table of traces is of {len(seeds)} traces, the arrays are of {count}")
    details: list[dict[str, Any]] = []
    for number, seed, own_S4 in zip(numbers, seeds, spans, strict=True):
        sampling, base, adapter, version = sources[number]
        own: list[tuple[int, int, int, int]] = own_S4.tolist()
        details.append(
            {
                "spans": tuple(PromptSpan(start, end, texts[v], texts[w]) for start, end, v, w in own),
                "sampling": replace(sampling, seed=seed),
                "base": base,
                "adapter": adapter,
                "adapter_version": version,
            }
        )
    return details
