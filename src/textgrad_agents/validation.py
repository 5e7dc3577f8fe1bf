"""What a pydantic model refuses, said on one line: the field, what it must be, the value seen."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_PROBLEMS = 5


def explain(
    error: ValidationError,
    *,
    fields: Collection[str] = (),
    hide: Collection[str] = (),
    secret: Collection[str] = (),
) -> str:
    """All that is wrong, on one line.

    Args:
        error: what pydantic raised.
        fields: names that an unknown field may have been meant to be.
        hide: first parts of paths that are left out (a user does not write them).
        secret: fields whose values are not repeated.
    """
    found = error.errors(include_url=False, include_context=False)
    texts = list(dict.fromkeys(_one(problem, fields, hide, secret) for problem in found))
    more = len(texts) - MAX_PROBLEMS
    return "; ".join(texts[:MAX_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def short(value: object) -> str:
    """A value for a message: its repr on one line, at most 60 characters."""
    text = str(value) if isinstance(value, float) and not math.isfinite(value) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def nearest(name: str, known: Collection[str]) -> str:
    """A hint which of the known names was meant."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}" if known else "leave it out"


def _one(problem: ErrorDetails, fields: Collection[str], hide: Collection[str], secret: Collection[str]) -> str:
    where = _path(problem["loc"], hide)
    message = problem["msg"]
    match problem["type"]:
        case "extra_forbidden":
            last = str(problem["loc"][-1])
            return f"there is no field {short(where)[1:-1]}; {nearest(last, fields)}"
        case "missing":
            return f"{where} is missing"
        case "value_error":
            return f"{where} {message.removeprefix('Value error, ')}".strip()
        case _:
            subject, should, rule = message.partition(" should ")
            text = f"must {rule}" if should and " " not in subject else f": {message[:1].lower()}{message[1:]}"
            seen = "" if problem["loc"][:1] and problem["loc"][0] in secret else f", not {short(problem['input'])}"
            return f"{where} {text}{seen}".strip()


def _path(parts: Sequence[int | str], hide: Collection[str]) -> str:
    shown = [str(part) for part in parts]
    while shown and shown[0] in hide:
        shown.pop(0)
    return ".".join(shown)
