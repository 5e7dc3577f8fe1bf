"""The grammar of policies: plain English rules among prose.

    When CLAUSE[ and CLAUSE …], ACTION.
    Otherwise, ACTION.

A rule is a sentence of its own; at the end of a line its full stop may be missing. It applies when all its clauses are
among the clauses of the situation; of those that apply, the one with the most clauses counts, and of equals the first.
Actions are written with spaces or underscores. Case does not matter. Everything else is prose: kept, without effect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from textgrad_agents.engines.rulebook.evidence import Clauses, split_clauses

_RULE = re.compile(
    r"\b(?:When (?P<when>(?:(?![.!?]\s)[^\n])+?)|Otherwise), (?P<action>\w[\w -]{0,60})(?:\.(?=[\s)\"']|$)|$)",
    re.IGNORECASE | re.MULTILINE,
)
_BULLET = re.compile(r"[-*•\s]*(?:[0-9]+[.)])?\s*")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `action` is in the form of `action_key`."""

    clauses: Clauses
    action: str

    def covers(self, clauses: Clauses) -> bool:
        """True if the rule applies where `clauses` hold."""
        return all(clause in clauses for clause in self.clauses)

    def is_for(self, clauses: Clauses) -> bool:
        """True if these are the rule's own clauses, in whatever order."""
        return set(self.clauses) == set(clauses)

    def __str__(self) -> str:
        condition = f"When {' and '.join(self.clauses)}" if self.clauses else "Otherwise"
        return f"{condition}, {self.action.replace('_', ' ')}."


@dataclass(frozen=True, slots=True)
class _Place:
    rule: Rule
    start: int
    end: int


def action_key(name: str) -> str:
    """An action's name in one form: lower-case, with underscores."""
    return "_".join(name.lower().replace("_", " ").split())


def read_rules(text: str) -> list[Rule]:
    """The rules in a policy text, in order."""
    return [place.rule for place in _places(text)]


def rule_for(rules: Sequence[Rule], clauses: Clauses) -> Rule | None:
    """The rule that counts where `clauses` hold, or None."""
    covering = [rule for rule in rules if rule.covers(clauses)]
    return max(covering, key=lambda rule: len(rule.clauses), default=None)


def edit(text: str, rules: Sequence[Rule | None], additions: Sequence[Rule]) -> str:
    """A policy text with other rules; prose is kept.

    Args:
        text: the policy.
        rules: what each of its rules becomes, in order; None takes it out.
        additions: rules to add at the end.
    """
    parts: list[str] = []
    done = 0
    for place, new in zip(_places(text), rules, strict=True):
        if new is None:
            start, end = _with_bullet(text, place, done)
            parts.append(text[done:start])
            done = end
        elif new != place.rule:
            parts += [text[done : place.start], str(new)]
            done = place.end
    kept = ("".join(parts) + text[done:]).strip()
    return "\n".join([*([kept] if kept else []), *map(str, additions)])


def _places(text: str) -> list[_Place]:
    return [
        _Place(Rule(split_clauses(found["when"] or ""), action_key(found["action"])), found.start(), found.end())
        for found in _RULE.finditer(text)
    ]


def _with_bullet(text: str, place: _Place, least: int) -> tuple[int, int]:
    """What goes with a rule that is taken out: its whole line, or the space before it where the line holds more."""
    line_start = text.rfind("\n", 0, place.start) + 1
    line_end = text.find("\n", place.end)
    line_end = len(text) if line_end < 0 else line_end + 1
    alone = _BULLET.fullmatch(text, line_start, place.start) and not text[place.end : line_end].strip()
    if alone and line_start >= least:
        return line_start, line_end
    start = place.start
    while start > max(least, line_start) and text[start - 1] == " ":
        start -= 1
    return start, place.end
