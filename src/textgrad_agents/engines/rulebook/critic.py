"""The critic's part: say in words and numbers, from the digest alone, which actions came before progress."""

from __future__ import annotations

import json
from collections.abc import Sequence

from textgrad_agents.engines.rulebook.evidence import (
    AgentRow,
    RoleTable,
    SituationRow,
    read_agents,
    read_tables,
    write_agent,
    write_table,
)
from textgrad_agents.engines.rulebook.learning import LEAD, best_action
from textgrad_agents.engines.rulebook.requests import named
from textgrad_agents.errors import EngineRefusal

_TELLING = 3


def evaluate(question: str) -> str:
    """A free evaluation of the agent (or the team: ``all``) that the question names."""
    tables, agents = _digest(question)
    subject = named(question, "Agent") or "all"
    if subject == "all":
        return "\n\n".join(map(_about, tables))
    table = next((table for table in tables if subject in table.agents), None)
    if table is None or subject not in agents:
        return f"The digest tells nothing of {subject}."
    return f"{write_agent(agents[subject])}\n{_about(table)}"


def credit(question: str) -> str:
    """A JSON object with score and feedback for each agent that the question lists."""
    tables, agents = _digest(question)
    listed = named(question, "Agents")
    wanted = [name.strip() for name in listed.split(",")] if listed else list(agents)
    about = {name: text for table in tables for text in (_about(table),) for name in table.agents}
    judgements = {
        name: {"score": round(agents[name].score, 4), "feedback": f"{write_agent(agents[name])}\n{about[name]}"}
        for name in wanted
        if name in agents and name in about
    }
    return json.dumps(judgements, indent=1, ensure_ascii=False)


def _digest(question: str) -> tuple[list[RoleTable], dict[str, AgentRow]]:
    tables = read_tables(question)
    if not tables:
        raise EngineRefusal(
            "rulebook judges an episode by the table of situations and actions in its digest, and this request holds "
            "none; give it the text of training.digest.digest(episode), or name a real model (--model)"
        )
    return tables, read_agents(question)


def _about(table: RoleTable) -> str:
    return f"{_telling(table.rows)}\nGains of each action, in points above the episode's middle:\n{write_table(table)}"


def _telling(rows: Sequence[SituationRow]) -> str:
    """The situations in which the choice mattered most, in words."""
    found: list[tuple[float, str]] = []
    for row in rows:
        best = best_action([row])
        if best is None or best.lead < LEAD:
            continue
        condition = f"when {' and '.join(row.clauses)}" if row.clauses else "where no situation is named"
        found.append(
            (
                best.lead,
                f"{condition}, {best.action.replace('_', ' ')} gained {best.difference:.3g} points more "
                f"than the other actions ({best.lead:.1f} standard errors)",
            )
        )
    if not found:
        return "In no situation did an action gain clearly more than the others."
    found.sort(key=lambda one: (-one[0], one[1]))
    return f"The clearest: {'; '.join(text for _, text in found[:_TELLING])}."
