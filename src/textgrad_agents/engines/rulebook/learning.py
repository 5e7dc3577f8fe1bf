"""What the evidence gives reason to change in a set of rules.

Two actions are compared within each situation, and the differences are put together, so that an action is never praised
for the situations in which it happened to be taken. A rule for a general condition is judged by all situations under
it; a more specific rule is made where the evidence contradicts the general one strongly. General conditions are the
beginnings of situations: environments name the most telling clause first.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from textgrad_agents.engines.rulebook.evidence import Clauses, Gain, SituationRow, merge
from textgrad_agents.engines.rulebook.grammar import Rule, action_key, rule_for

LEAD = 2.0
"""Standard errors by which an action must lead to become the rule for a condition of one clause (or of none)."""
LEAD_IN_DETAIL = 2.5
"""The same for a condition of several clauses: there are many of these, so chance would make rules of some."""
LEAST = 10
"""Fewest decisions on either side of a comparison."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much higher the gain of an action is than that of the actions it is compared with.

    Attributes:
        action: the action.
        difference: of the mean gains.
        lead: the same in standard errors.
        decisions: number of decisions compared.
    """

    action: str
    difference: float
    lead: float
    decisions: int


@dataclass(frozen=True, slots=True)
class Improvement:
    """What a set of rules becomes.

    Attributes:
        rules: what each of the old rules becomes (None: it is taken out), in order.
        additions: new rules.
        reasons: a sentence per change; none if nothing changes.
    """

    rules: tuple[Rule | None, ...]
    additions: tuple[Rule, ...]
    reasons: tuple[str, ...]


def best_action(rows: Sequence[SituationRow], rival: str | None = None) -> Comparison | None:
    """The action that leads most clearly, None if none can be compared.

    Args:
        rows: the situations, compared one by one.
        rival: compare with this action; None compares each action with all others.
    """
    actions = list(dict.fromkeys(action for row in rows for action in row.gains))
    found = [
        comparison
        for action in actions
        if action != rival
        and (comparison := _compare(rows, action, [rival] if rival else [one for one in actions if one != action]))
    ]
    return max(found, key=lambda one: (one.lead, one.difference, one.action), default=None)


def improve(rules: Sequence[Rule], rows: Sequence[SituationRow]) -> Improvement:
    """What the evidence gives reason to change, from the most general condition to the most specific.

    A rule whose action does not occur in the evidence counts as prose: it may be no rule at all.
    """
    rows = [_with_keys(row) for row in rows]
    actions = {action for row in rows for action in row.gains}
    slots: list[Rule | None] = list(rules)
    reasons: list[str] = []
    for condition in _conditions(rows):
        present = [rule for rule in slots if rule and rule.action in actions]
        acting = rule_for(present, condition)
        under = [row for row in rows if _is_under(row, condition) and rule_for(present, row.clauses) is acting]
        best = best_action(under, acting.action if acting else None)
        if best is None or best.lead < (LEAD if len(condition) <= 1 else LEAD_IN_DETAIL):
            continue
        new = Rule(condition, best.action)
        place = next((i for i, rule in enumerate(slots) if rule and rule.is_for(condition)), len(slots))
        slots[place : place + 1] = [new]
        rival = acting.action.replace("_", " ") if acting else "the other actions"
        reasons.append(
            f"{new} It gained {best.difference:.3g} points more than {rival} "
            f"({best.decisions} decisions, {best.lead:.1f} standard errors)."
        )
    if reasons:
        _drop_superfluous(slots, reasons, actions)
    known = len(rules)
    return Improvement(tuple(slots[:known]), tuple(rule for rule in slots[known:] if rule), tuple(reasons))


def _compare(rows: Sequence[SituationRow], action: str, rivals: Collection[str]) -> Comparison | None:
    total = weights = variance = 0.0
    ours = theirs = 0
    for row in rows:
        one, other = _merged(row, [action]), _merged(row, rivals)
        if one.count < 2 or other.count < 2:
            continue
        weight = one.count * other.count / (one.count + other.count)
        total += weight * (one.mean - other.mean)
        variance += weight**2 * (one.spread**2 / one.count + other.spread**2 / other.count)
        weights += weight
        ours += one.count
        theirs += other.count
    if min(ours, theirs) < LEAST:
        return None
    lead = total / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, total) if total else 0.0
    return Comparison(action, total / weights, lead, ours + theirs)


def _merged(row: SituationRow, actions: Collection[str]) -> Gain:
    return merge([row.gains[action] for action in actions if action in row.gains])


def _drop_superfluous(slots: list[Rule | None], reasons: list[str], actions: Collection[str]) -> None:
    """Take out rules that say what a more general rule says as well."""
    for place, rule in enumerate(slots):
        if rule is None or rule.action not in actions:
            continue
        others = [one for one in slots if one and one is not rule and one.action in actions]
        general = rule_for(others, rule.clauses)
        if general is not None and general.action == rule.action and len(general.clauses) < len(rule.clauses):
            slots[place] = None
            reasons.append(f"{rule} A more general rule says the same; taken out.")


def _conditions(rows: Sequence[SituationRow]) -> list[Clauses]:
    """Beginnings of the situations, general ones first."""
    beginnings = {row.clauses[:length] for row in rows for length in range(1, len(row.clauses) + 1)}
    unnamed = {row.clauses for row in rows if not row.clauses}
    return sorted(beginnings | unnamed, key=lambda clauses: (len(clauses), clauses))


def _is_under(row: SituationRow, condition: Clauses) -> bool:
    return row.clauses[: len(condition)] == condition if condition else not row.clauses


def _with_keys(row: SituationRow) -> SituationRow:
    return SituationRow(row.clauses, {action_key(action): gain for action, gain in row.gains.items()})
