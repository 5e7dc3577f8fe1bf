"""The optimizer's part where a value is made of a few given words: try what was not tried yet.

What a word does is not known here. Each proposal has to prove itself to whoever accepts it, and the history of the
request says what did not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

_RULE = re.compile(r"Use only these words, at most ([0-9]+) of them: (\[.*\])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Words:
    """The words that may be used, and how many at once."""

    words: tuple[str, ...]
    most: int


def allowed_words(constraints: Sequence[Any]) -> Words | None:
    """The words that the constraints of a request allow, None if they do not say."""
    for constraint in constraints:
        found = _RULE.fullmatch(constraint) if isinstance(constraint, str) else None
        if found is None:
            continue
        try:
            words: Any = json.loads(found[2])
        except ValueError:
            continue
        if words and all(isinstance(word, str) for word in words):
            return Words(tuple(words), int(found[1]))
    return None


def next_try(value: str, allowed: Words, history: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The next value to try, and why.

    Args:
        value: the present value.
        allowed: what it may be made of.
        history: entries with a ``value`` that was replaced or a ``proposal`` that was not taken.
    """
    tried = {_normal(str(entry[key])) for entry in history for key in ("value", "proposal") if entry.get(key)}
    for candidate in _edits(value.split(), allowed):
        if candidate != _normal(value) and candidate not in tried:
            return candidate, f"{candidate!r} was not tried yet."
    return value, "Everything that is one edit away was tried."


def _edits(present: list[str], allowed: Words) -> list[str]:
    """Values one edit away: a word exchanged, more or less; words in the order in which they are allowed."""
    known = [word for word in present if word in allowed.words]
    rest = [word for word in allowed.words if word not in known]
    places = range(len(known))
    edits = [[*known[:i], word, *known[i + 1 :]] for i in places for word in rest]
    if len(known) < allowed.most:
        edits += [[*known, word] for word in rest]
    if len(known) > 1:
        edits += [[*known[:i], *known[i + 1 :]] for i in places]
    return [" ".join(edit) for edit in edits]


def _normal(value: str) -> str:
    return " ".join(value.split())


def entries(history: Any) -> list[Mapping[str, Any]]:
    """The entries of a request's history that can be read."""
    listed = cast("list[Any]", history) if isinstance(history, list) else []
    return [cast("Mapping[str, Any]", one) for one in listed if isinstance(one, dict)]
