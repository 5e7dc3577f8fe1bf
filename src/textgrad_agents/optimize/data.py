"""Examples from a JSONL file."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import parse_json
from textgrad_agents.seeds import derive_seed

T = TypeVar("T")


def read_examples(path: str | Path, fields: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Read one example per line; empty lines are skipped.

    Args:
        path: a UTF-8 file with a JSON object per line.
        fields: what every example must have.

    Raises:
        FileFormatError: the file is missing or empty, or a line holds no such object; the message names the line.
    """
    examples: list[dict[str, Any]] = []
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise FileFormatError(f"data file {path} cannot be read: {error.strerror or error}") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            examples.append(_example(line, tuple(fields), f"{path}, line {number}"))
    if not examples:
        raise FileFormatError(f"data file {path} holds no examples; write one JSON object per line")
    return examples


def split(examples: Sequence[T], val_fraction: float, *, seed: int = 0) -> tuple[list[T], list[T]]:
    """Part examples at random into those to learn from and those that decide.

    Args:
        examples: at least two.
        val_fraction: share of the second part, between 0 and 1; each part gets at least one example.
        seed: which examples go where.

    Raises:
        ConfigError: there are too few examples, or the share is out of range.
    """
    if not 0 < val_fraction < 1:
        raise ConfigError(f"val_fraction must be between 0 and 1, got {val_fraction}")
    if len(examples) < 2:
        raise ConfigError(f"{len(examples)} example cannot be parted into training and validation; give more")
    places = list(range(len(examples)))
    random.Random(derive_seed(seed, "split")).shuffle(places)
    held_out = min(max(round(len(examples) * val_fraction), 1), len(examples) - 1)
    chosen = set(places[:held_out])
    train = [one for place, one in enumerate(examples) if place not in chosen]
    return train, [one for place, one in enumerate(examples) if place in chosen]


def _example(line: bytes, fields: tuple[str, ...], where: str) -> dict[str, Any]:
    try:
        example = parse_json(line)
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{where} is not JSON (column {error.colno}: {error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{where} cannot be read: {error}") from None
    if not isinstance(example, dict):
        raise FileFormatError(f"{where} must hold a JSON object, it holds a {type(example).__name__}")
    missing = [name for name in fields if name not in example]
    if missing:
        raise FileFormatError(f"{where} has no field {', '.join(map(repr, missing))}; it has {sorted(example)}")  # pyright: ignore[reportUnknownArgumentType]
    return example  # pyright: ignore[reportUnknownVariableType]
