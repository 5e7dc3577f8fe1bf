"""Evidence: what followed which action in which situation, as values and as regular lines of plain words.

A table lists, for one role, what was gained after each action in each situation::

    Role piston (piston_0, piston_1): 250 decisions
    - When the door is open and it rains: stay +2.3 (31 times, spread 28); go_out -11.5 (9 times, spread 31)
    - Where no situation is named: stay +0.4 (4 times, spread 25)

and a row per agent says what its own choices were worth::

    - piston_0: 125 decisions, choices worth +1.1 (best +5.2, worst -4.8)

The digest of an episode and the critic's feedback are written with these lines; both are read back here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Clauses = tuple[str, ...]

UNNAMED = "Where no situation is named"

_NUMBER = r"[+-]?[0-9.]+(?:e[+-]?[0-9]+)?"
_TABLE = re.compile(r"^Role (?P<role>.+?) \((?P<agents>.*)\): [0-9]+ decisions$", re.MULTILINE)
_ROW = re.compile(rf"^- (?:When (?P<when>.+)|{UNNAMED}): (?P<gains>[^:\n]+ \([0-9]+ times, spread .+\))$", re.MULTILINE)
_GAIN = re.compile(rf"([^;]+?) ({_NUMBER}) \(([0-9]+) times, spread ({_NUMBER})\)(?:; |$)")
_AGENT = re.compile(
    rf"^- (?P<agent>\S+): (?P<decisions>[0-9]+) decisions, choices worth (?P<worth>{_NUMBER}) "
    rf"\(best (?P<best>{_NUMBER}), worst (?P<worst>{_NUMBER})\)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Gain:
    """What followed one action in one situation.

    Attributes:
        count: number of decisions.
        mean: mean over them of where what followed stands among all of the episode, in percent above the middle.
        spread: standard deviation of the same.
    """

    count: int
    mean: float
    spread: float


@dataclass(frozen=True, slots=True)
class SituationRow:
    """One situation: its clauses, and the gain of each action tried in it, best first."""

    clauses: Clauses
    gains: Mapping[str, Gain]


@dataclass(frozen=True, slots=True)
class RoleTable:
    """All situations that the agents of one role were in."""

    role: str
    agents: tuple[str, ...]
    rows: tuple[SituationRow, ...]

    @property
    def decisions(self) -> int:
        """Number of decisions in the table."""
        return sum(gain.count for row in self.rows for gain in row.gains.values())


@dataclass(frozen=True, slots=True)
class AgentRow:
    """What one agent's choices were worth by the table of its role.

    Attributes:
        agent: its name.
        decisions: number of its decisions.
        worth: mean gain of the actions it chose, compared with choosing blindly among those tried in the situation.
        best: the same if it had always chosen the action with the highest mean gain.
        worst: the same for the lowest.
    """

    agent: str
    decisions: int
    worth: float
    best: float
    worst: float

    @property
    def score(self) -> float:
        """The worth in [-1, 1]: 1 for always the best choice, -1 for always the worst."""
        reach = self.best if self.worth >= 0 else -self.worst
        return max(-1.0, min(1.0, self.worth / reach)) if reach > 0 else 0.0


def split_clauses(text: str) -> Clauses:
    """The clauses of a situation or of a rule's condition, lower-cased: what stands between ``;`` or `` and ``."""
    return tuple(clause for part in re.split(r";| and ", text) if (clause := " ".join(part.lower().split())))


def write_table(table: RoleTable) -> str:
    """A table as text."""
    head = f"Role {table.role} ({', '.join(table.agents)}): {table.decisions} decisions"
    return "\n".join([head, *(_write_row(row) for row in table.rows)])


def write_agent(row: AgentRow) -> str:
    """An agent's row as text."""
    return (
        f"- {row.agent}: {row.decisions} decisions, choices worth {row.worth:+.4g} "
        f"(best {row.best:+.4g}, worst {row.worst:+.4g})"
    )


def read_tables(text: str) -> list[RoleTable]:
    """All tables in a text, in order."""
    heads = list(_TABLE.finditer(text))
    ends = [*(head.start() for head in heads), len(text)][1:]
    return [
        RoleTable(
            head["role"],
            tuple(name.strip() for name in head["agents"].split(",") if name.strip()),
            tuple(_read_row(row) for row in _ROW.finditer(text, head.end(), end)),
        )
        for head, end in zip(heads, ends, strict=True)
    ]


def read_agents(text: str) -> dict[str, AgentRow]:
    """All agents' rows in a text, by agent."""
    return {
        row["agent"]: AgentRow(
            row["agent"], int(row["decisions"]), float(row["worth"]), float(row["best"]), float(row["worst"])
        )
        for row in _AGENT.finditer(text)
    }


def pool(tables: Iterable[RoleTable]) -> list[SituationRow]:
    """The rows of several tables as one, each decision counted alike; situations in the order of first appearance."""
    found: dict[Clauses, dict[str, list[Gain]]] = {}
    for table in tables:
        for row in table.rows:
            actions = found.setdefault(row.clauses, {})
            for action, gain in row.gains.items():
                actions.setdefault(action, []).append(gain)
    return [
        SituationRow(clauses, {action: merge(gains) for action, gains in actions.items()})
        for clauses, actions in found.items()
    ]


def merge(gains: Sequence[Gain]) -> Gain:
    """Several gains as one, each decision counted alike."""
    count = sum(gain.count for gain in gains)
    if count == 0:
        return Gain(0, 0.0, 0.0)
    mean = sum(gain.count * gain.mean for gain in gains) / count
    square = sum(gain.count * (gain.spread**2 + (gain.mean - mean) ** 2) for gain in gains) / count
    return Gain(count, mean, math.sqrt(square))


def _write_row(row: SituationRow) -> str:
    gains = "; ".join(
        f"{action} {gain.mean:+.4g} ({gain.count} times, spread {gain.spread:.4g})"
        for action, gain in row.gains.items()
    )
    return f"- {_condition(row.clauses)}: {gains}"


def _condition(clauses: Clauses) -> str:
    return f"When {' and '.join(clauses)}" if clauses else UNNAMED


def _read_row(row: re.Match[str]) -> SituationRow:
    gains = {
        action: Gain(int(count), float(mean), float(spread))
        for action, mean, count, spread in _GAIN.findall(row["gains"])
        if int(count) > 0
    }
    return SituationRow(split_clauses(row["when"] or ""), gains)
