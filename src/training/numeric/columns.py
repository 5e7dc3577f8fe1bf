"""Rows as columns and back, equal to the last bit.

Axes: N rows, P and A all their prompt and action tokens end to end. Texts are in a table, a JSON list in bytes, that
columns refer to by number; -1 stands for none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import accumulate, pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.messages import PromptSpan
from training.numeric.rows import Row

Columns = dict[str, NDArray[Any]]

_TOKENS = {"prompt_ids": np.int32, "action_ids": np.int32, "sampler_logprobs": np.float32, "mask": np.bool_}
_MAYBE = {"weights": np.float32, "timesteps": np.int32}
_NUMBERS = {
    "reward": np.float64,
    "advantage": np.float64,
    "timestep": np.int64,
    "adapter_version": np.int64,
    "temperature": np.float64,
}
_TEXTS = ("agent", "trajectory", "base", "adapter", "prompt_version", "episode", "finish", "group")
_NONE = -1


def to_columns(rows: Sequence[Row]) -> Columns:
    """Columns of some rows, at least one."""
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    columns: Columns = {
        name: np.concatenate([getattr(row, name) for row in rows]).astype(kind, copy=False)
        for name, kind in _TOKENS.items()
    }
    columns["prompt_length"] = np.array([len(row.prompt_ids) for row in rows], np.int64)
    columns["action_length"] = np.array([len(row.action_ids) for row in rows], np.int64)
    for name, kind in _MAYBE.items():
        given = [getattr(row, name) for row in rows]
        columns[f"has_{name}"] = np.array([one is not None for one in given], np.bool_)
        columns[name] = np.concatenate([np.zeros(0, kind), *(one for one in given if one is not None)])
    for name, kind in _NUMBERS.items():
        columns[name] = np.array([getattr(row, name) for row in rows], kind)
    for name in _TEXTS:
        columns[name] = np.array([_numbered(getattr(row, name), number) for row in rows], np.int64)
    spans = [(one.start, one.end, number(one.variable), number(one.version)) for row in rows for one in row.spans]
    columns["span_count"] = np.array([len(row.spans) for row in rows], np.int64)
    columns["spans"] = np.array(spans, np.int64).reshape(-1, 4)
    columns["texts"] = np.frombuffer(json.dumps(list(texts)).encode(), np.uint8)
    return columns


def from_columns(columns: Columns) -> tuple[Row, ...]:
    """Undo `to_columns`.

    Raises:
        LookupError, TypeError, ValueError: they are no such columns.
    """
    texts: list[str] = json.loads(columns["texts"].tobytes())
    count = len(columns["reward"])
    prompt, action = columns["prompt_length"], columns["action_length"]
    parts: dict[str, Sequence[Any]] = {
        name: _cut(name, columns, prompt if name == "prompt_ids" else action) for name in _TOKENS
    }
    for name in _MAYBE:
        there = columns[f"has_{name}"]
        own = iter(_cut(name, columns, action[there]))
        parts[name] = [next(own) if one else None for one in there.tolist()]
    for name in _NUMBERS:
        parts[name] = columns[name].tolist()
    for name in _TEXTS:
        parts[name] = [None if number == _NONE else texts[number] for number in columns[name].tolist()]
    parts["group"] = [tuple(json.loads(text)) for text in parts["group"]]
    parts["spans"] = [_spans(own, texts) for own in _cut("spans", columns, columns["span_count"])]
    uneven = sorted(name for name, part in parts.items() if len(part) != count)
    if uneven:
        raise ValueError(f"the columns {', '.join(uneven)} are not of {count} rows")
    names = [field.name for field in fields(Row)]
    return tuple(Row(**{name: parts[name][i] for name in names}) for i in range(count))


def _numbered(value: Any, number: Callable[[str], int]) -> int:
    if value is None:
        return _NONE
    return number(value if isinstance(value, str) else json.dumps(value))


def _cut(name: str, columns: Columns, lengths: NDArray[np.int64]) -> list[NDArray[Any]]:
    ends = [0, *accumulate(cast("list[int]", lengths.tolist()))]
    if ends[-1] != len(columns[name]) or (len(lengths) and lengths.min() < 0):
        raise ValueError(f"the column {name} does not fit the lengths of the rows")
    return [columns[name][start:end] for start, end in pairwise(ends)]


def _spans(own: NDArray[np.int64], texts: Sequence[str]) -> tuple[PromptSpan, ...]:
    numbers: list[tuple[int, int, int, int]] = own.tolist()
    return tuple(PromptSpan(start, end, texts[variable], texts[version]) for start, end, variable, version in numbers)
