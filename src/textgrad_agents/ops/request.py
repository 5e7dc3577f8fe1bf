r"""Requests about data that nobody vouches for.

What comes from elsewhere (values, outputs, feedback) stands in one JSON block, where no text can end the block or pass
for a tag: ``<`` is written ``\u003c``. The tags around the answer carry a nonce that belongs to this request.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from textgrad_agents.seeds import derive_seed

DATA_HEADING = "## Data"

_RISKY = re.compile(r"<|```|[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Tags, fences, line breaks that JSON does not escape, and halves of characters, which no message can hold."""


def data_block(data: Any) -> str:
    """`data` as fenced JSON that no text inside can leave, under its heading."""
    return f"{DATA_HEADING}\n\n```json\n{escaped(json.dumps(data, indent=2, ensure_ascii=False))}\n```"


def escaped(json_text: str) -> str:
    """The same JSON, with nothing in it that could end the block it stands in or pass for a tag."""
    return _RISKY.sub(lambda found: "".join(f"\\u{ord(one):04x}" for one in found.group()), json_text)


def nonce(*place: str | int) -> str:
    """Eight hexadecimal digits that belong to a place."""
    return f"{derive_seed('nonce', *place) & 0xFFFFFFFF:08x}"


@cache
def prompt(name: str) -> str:
    """A prompt of this room, from ``prompts/``."""
    return (files("textgrad_agents.ops") / "prompts" / f"{name}.md").read_text(encoding="utf-8").strip()
