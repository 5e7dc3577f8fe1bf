"""Situations: what an observation says an agent is in, as a line of words.

An environment that wants its experience to be tabulated names the situation in its observation text::

    Situation: the ball is close on my left; the ball is moving right

Critics (people, language models, the built-in engine) read it as prose; the digest of an episode groups steps by it.
"""

from __future__ import annotations

PREFIX = "Situation: "


def format_situation(clauses: tuple[str, ...] | list[str]) -> str:
    """The line that names a situation of one or more clauses (no clause may hold ``;`` or a line break)."""
    return PREFIX + "; ".join(clauses)


def find_situation(text: str) -> str | None:
    """The situation named last in `text` (without the prefix), or None.

    The last one counts, so that examples quoted earlier in a prompt do not hide the present situation.
    """
    start = text.rfind("\n" + PREFIX)
    if start < 0:
        if not text.startswith(PREFIX):
            return None
        start = -1
    start += 1 + len(PREFIX)
    end = text.find("\n", start)
    return text[start:].strip() if end < 0 else text[start:end].strip()


def clauses_of(situation: str) -> tuple[str, ...]:
    """The clauses of a situation, lower-cased, in the order written."""
    return tuple(clause.strip().lower() for clause in situation.split(";") if clause.strip())
