"""The optimizer's part: edit the rules of a policy as the tables in its feedback give reason to.

A value that may be made of a few given words only is no list of rules: see `words`.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast

from textgrad_agents.engines.rulebook.evidence import pool, read_tables
from textgrad_agents.engines.rulebook.grammar import edit, read_rules
from textgrad_agents.engines.rulebook.learning import improve
from textgrad_agents.engines.rulebook.words import allowed_words, entries, next_try
from textgrad_agents.errors import EngineRefusal

_BLOCK = re.compile(r"^```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
_TAG = re.compile(r"<NEW_([0-9a-f]{8})>")


def rewrite(request: str) -> str:
    """The reply of an optimizer: reasons, then the new value between the request's tags.

    Args:
        request: the user messages, with the data block and the line that names the tags.

    Raises:
        EngineRefusal: there is no data block with a value, or no tag to answer with.
    """
    data, nonces = _data(request), _TAG.findall(request)
    value = data.get("value")
    if not isinstance(value, str) or not nonces:
        raise EngineRefusal(
            "rulebook was asked for an improved variable, but the request holds no ```json block with a text under "
            '"value", or no line `Write the new value between <NEW_…> and </NEW_…>.`'
        )
    feedback = cast("list[Any]", data.get("feedback")) if isinstance(data.get("feedback"), list) else []
    items = [cast("dict[str, Any]", item) for item in feedback if isinstance(item, dict)]
    texts = [text for item in items if isinstance(text := item.get("text"), str)]
    constraints = cast("list[Any]", data.get("constraints")) if isinstance(data.get("constraints"), list) else []
    allowed = allowed_words(constraints)
    if allowed is not None:
        new, reasons = next_try(value, allowed, entries(data.get("history")))
    else:
        new, reasons = _improved(value, str(data.get("role", "")), texts)
    return f"{reasons}\n<NEW_{nonces[-1]}>\n{new}\n</NEW_{nonces[-1]}>"


def _data(request: str) -> dict[str, Any]:
    for block in _BLOCK.findall(request):
        try:
            data: Any = json.loads(block)
        except ValueError:
            continue
        if isinstance(data, dict):
            return cast("dict[str, Any]", data)
    return {}


def _improved(value: str, role: str, feedback: list[str]) -> tuple[str, str]:
    """The new value and the reasons for it."""
    tables = [table for text in feedback for table in read_tables(text)]
    named = set(re.split(r"[\s,;:()\"']+", role))
    mine = [table for table in tables if set(table.agents) & named]
    result = improve(read_rules(value), pool(mine or tables))
    if not result.reasons:
        return value, "The feedback gives no reason to change a rule."
    return edit(value, result.rules, result.additions), "\n".join(result.reasons)
