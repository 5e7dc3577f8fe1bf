"""Credit per agent, read from a critic's reply.

A JSON object keyed by agent name is read first. Where a model does not write one, headed sections are: ``[PISTON_0
EVALUATION]``, then ``**piston_0**:``, then ``piston_0:``, then (if those named fewer than half of the agents) a
numbered list of as many items as there are agents, then sections headed by a group. An agent that no section is about
gets nothing: another agent's text is never used in its place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from textgrad_agents.trajectory import Credit

Form = Literal["json", "sections", "none"]


@dataclass(frozen=True, slots=True)
class CreditReading:
    """What a reply said about each agent.

    Attributes:
        credits: one per agent that the reply is about, in the order of the agents.
        missing: agents that it says nothing about.
        form: how the reply was written.
    """

    credits: tuple[Credit, ...]
    missing: tuple[str, ...]
    form: Form


def read_credits(
    reply: str, agents: Sequence[str], *, groups: Mapping[str, Sequence[str]] | None = None, source: str = ""
) -> CreditReading:
    """Read a critic's reply; never raises.

    Args:
        reply: the reply's text.
        agents: names of all agents.
        groups: members of each named group (``left``: …), for replies with a section per group.
        source: who judged.
    """
    found = _read_json(reply, agents)
    form: Form = "json"
    if not found:
        found = {agent: (None, text) for agent, text in _read_sections(reply, agents, groups or {}).items()}
        form = "sections" if found else "none"
    credits = tuple(Credit(agent, *_ordered(found[agent]), source=source) for agent in agents if agent in found)
    return CreditReading(credits, tuple(agent for agent in agents if agent not in found), form)


def _ordered(judgement: tuple[float | None, str]) -> tuple[str, float | None]:
    return judgement[1], judgement[0]


def _read_json(reply: str, agents: Sequence[str]) -> dict[str, tuple[float | None, str]]:
    for value in _objects(reply):
        found: dict[str, tuple[float | None, str]] = {}
        for agent in agents:
            judgement: Any = value.get(agent)
            if isinstance(judgement, str):
                judgement = {"feedback": judgement}
            if not isinstance(judgement, dict):
                continue
            fields = cast("dict[str, Any]", judgement)
            text = fields.get("feedback")
            if isinstance(text, str) and text.strip():
                found[agent] = (_score(fields.get("score")), text.strip())
        if found:
            return found
    return {}


def _objects(reply: str) -> Iterator[dict[str, Any]]:
    """The outermost JSON objects in a text, in order."""
    decoder = json.JSONDecoder()
    start = reply.find("{")
    while start >= 0:
        try:
            value, end = decoder.raw_decode(reply, start)
        except (json.JSONDecodeError, RecursionError):
            start = reply.find("{", start + 1)
            continue
        if isinstance(value, dict):
            yield cast("dict[str, Any]", value)
        start = reply.find("{", end)


def _score(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return max(-1.0, min(1.0, float(value)))


def _read_sections(reply: str, agents: Sequence[str], groups: Mapping[str, Sequence[str]]) -> dict[str, str]:
    named = {agent: re.escape(agent).replace("_", "[_ ]") for agent in agents}
    found: dict[str, str] = {}
    for header in (r"\[\s*{} EVALUATION\s*\]:?", r"^\s*\*\*{}\*\*:?", r"^\s*{}:"):
        for agent, text in _split(reply, {agent: header.format(name) for agent, name in named.items()}).items():
            found.setdefault(agent, text)
        if len(found) == len(agents):
            return found
    if 2 * len(found) < len(agents):
        items = _split(reply, {str(i): rf"^\s*{i + 1}[.)]\s" for i in range(len(agents))})
        if len(items) == len(agents):
            return {agent: items[str(i)] for i, agent in enumerate(agents)}
    headers = {group: rf"\[\s*{re.escape(group)}[ _]\w+ EVALUATION\s*\]:?" for group in groups}
    for group, text in _split(reply, headers).items():
        for agent in groups[group]:
            found.setdefault(agent, f"(said of all agents on the {group}) {text}")
    return found


_ANY_HEADER = re.compile(r"^\s*(\[[^\]\n]*EVALUATION\s*\]|#{1,6} )", re.MULTILINE | re.IGNORECASE)


def _split(reply: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Text after each header, up to the next header of any kind; a header that occurs twice is not used."""
    places: list[tuple[int, int, str]] = []
    for key, header in headers.items():
        matches = list(re.finditer(header, reply, re.MULTILINE | re.IGNORECASE))
        if len(matches) == 1:
            places.append((matches[0].start(), matches[0].end(), key))
        else:
            places.extend((match.start(), match.end(), "") for match in matches)
    places.sort()
    sections: dict[str, str] = {}
    for i, (_, begin, key) in enumerate(places):
        end = places[i + 1][0] if i + 1 < len(places) else len(reply)
        other = _ANY_HEADER.search(reply, begin, end)
        text = reply[begin : other.start() if other else end].strip()
        if key and text:
            sections[key] = text
    return sections
