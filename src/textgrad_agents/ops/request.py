r"""Requests about data that nobody vouches for.

What comes from elsewhere (values, outputs, feedback) stands in one JSON block, where no text can end the block or pass
for a tag: ``<`` is written ``\u003c``. The tags around the answer carry a nonce that belongs to this request.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from textgrad_agents.seeds import derive_seed

DATA_HEADING = "## Data"

_ESCAPES = {"<": "\\u003c", "```": "\\u0060\\u0060\\u0060", "\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def data_block(data: Any) -> str:
    """`data` as fenced JSON that no text inside can leave, under its heading."""
    text = json.dumps(data, indent=2, ensure_ascii=False)
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return f"{DATA_HEADING}\n\n```json\n{text}\n```"


def nonce(*place: str | int) -> str:
    """Eight hexadecimal digits that belong to a place."""
    return f"{derive_seed('nonce', *place) & 0xFFFFFFFF:08x}"


@cache
def prompt(name: str) -> str:
    """A prompt of this room, from ``prompts/``."""
    return (files("textgrad_agents.ops") / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()
