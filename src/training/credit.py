"""Credit per agent, read from a critic's reply.

A JSON object keyed by agent name is read first: a number and a text per agent, and where the question names cycles, a
number and a text for single ones of them. Where a model does not write one, headed sections are: ``[PISTON_0
EVALUATION]``, then ``**piston_0**:``, then ``piston_0:``, then (if those named fewer than half of the agents) a
numbered list of as many items as there are agents, then sections headed by a group. An agent that no section is about
gets nothing: another agent's text is never used in its place, and a section about another agent is cut out of what is
said of one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from textgrad_agents.trajectory import Credit

Form = Literal["json", "sections", "none"]


@dataclass(frozen=True, slots=True)
class CreditReading:
    """What a reply said about each agent.

    Attributes:
        credits: in the order of the agents, for each what is said of it in all, then of single steps.
        missing: agents that it says nothing about.
        form: how the reply was written.
        foreign: sections about other agents that were cut out of what is said of one.
    """

    credits: tuple[Credit, ...]
    missing: tuple[str, ...]
    form: Form
    foreign: int = 0


def read_credits(
    reply: str,
    agents: Sequence[str],
    *,
    cycles: Collection[int] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
    source: str = "",
) -> CreditReading:
    """Read a critic's reply; never raises.

    Args:
        reply: the reply's text.
        agents: names of all agents.
        cycles: the cycles that may be judged by themselves; what is said of others is left out.
        groups: members of each named group (``left``: …), for replies with a section per group.
        source: who judged.
    """
    found = _read_json(reply, agents, frozenset(cycles), source)
    form: Form = "json"
    if not found:
        sections = _read_sections(reply, agents, groups or {})
        found = {agent: [Credit(agent, text, source=source)] for agent, text in sections.items()}
        form = "sections" if found else "none"
    credits: list[Credit] = []
    missing: list[str] = []
    foreign = 0
    for agent in agents:
        own, cut = _own(found.get(agent, ()), agents)
        foreign += cut
        credits += own
        if not own:
            missing.append(agent)
    return CreditReading(tuple(credits), tuple(missing), form if credits else "none", foreign)


def read_whole(reply: str, agent: str, agents: Sequence[str], *, source: str = "") -> CreditReading:
    """Read a reply that is about one agent alone; sections about others are cut out."""
    credits, foreign = _own([Credit(agent, reply, source=source)], agents)
    return CreditReading(tuple(credits), () if credits else (agent,), "sections" if credits else "none", foreign)


def credit_schema(agents: Sequence[str], *, steps: bool) -> dict[str, Any]:
    """JSON schema of a reply with a number and a text per agent, and for single cycles if `steps` are wanted.

    Every field is required and no other is allowed, as the strict form of servers has it; a reply that has nothing to
    say of single cycles has an empty list there.
    """
    judgement: dict[str, Any] = {"score": {"type": "number"}, "feedback": {"type": "string"}}
    of_steps = {"type": "array", "items": _object({"cycle": {"type": "integer"}, **judgement})}
    of_agent = _object({**judgement, "steps": of_steps} if steps else judgement)
    return _object(dict.fromkeys(agents, of_agent))


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = [*properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _read_json(reply: str, agents: Sequence[str], cycles: frozenset[int], source: str) -> dict[str, list[Credit]]:
    for value in _objects(reply):
        found: dict[str, list[Credit]] = {}
        for agent in agents:
            judgement: Any = value.get(agent)
            if isinstance(judgement, str):
                judgement = {"feedback": judgement}
            if not isinstance(judgement, dict):
                continue
            fields = cast("dict[str, Any]", judgement)
            said = [_judgement(agent, fields, None, source), *_steps(agent, fields.get("steps"), cycles, source)]
            if credits := [one for one in said if one is not None]:
                found[agent] = credits
        if found:
            return found
    return {}


def _judgement(agent: str, fields: dict[str, Any], step: int | None, source: str) -> Credit | None:
    text = fields.get("feedback")
    if not isinstance(text, str) or not text.strip():
        return None
    return Credit(agent, text.strip(), _score(fields.get("score")), step, source)


def _steps(agent: str, judgements: object, cycles: frozenset[int], source: str) -> Iterator[Credit | None]:
    """What is said of single cycles, in their order; of each, the first."""
    listed = cast("list[Any]", judgements) if isinstance(judgements, list) else []
    by_cycle: dict[int, dict[str, Any]] = {}
    for one in listed:
        if isinstance(one, dict):
            cycle: Any = cast("dict[str, Any]", one).get("cycle")
            if type(cycle) is int and cycle in cycles:
                by_cycle.setdefault(cycle, cast("dict[str, Any]", one))
    return (_judgement(agent, by_cycle[cycle], cycle, source) for cycle in sorted(by_cycle))


def _own(credits: Sequence[Credit], agents: Sequence[str]) -> tuple[list[Credit], int]:
    """The credits without what their texts say under another agent's header, and how many sections that were."""
    kept: list[Credit] = []
    foreign = 0
    for one in credits:
        text, cut = _own_text(one.text, one.agent, agents)
        foreign += cut
        if text:
            kept.append(replace(one, text=text))
    return kept, foreign


_SECTION = re.compile(
    r"\[\s*(?P<bracketed>[^\]\n]+?) EVALUATION\s*\]:?|^\s*\*\*(?P<bold>[^*\n]+?)\*\*:?", re.MULTILINE | re.IGNORECASE
)


def _own_text(text: str, agent: str, agents: Sequence[str]) -> tuple[str, int]:
    """`text` without the sections headed by another agent's name, and how many those were."""
    known = {_key(name): name for name in agents}
    parts: list[str] = []
    begin, mine, foreign = 0, True, 0
    for header in _SECTION.finditer(text):
        about = known.get(_key(header["bracketed"] or header["bold"]))
        if about is None:
            continue
        if mine:
            parts.append(text[begin : header.start()])
        begin, mine = header.end(), about == agent
        foreign += not mine
    if mine:
        parts.append(text[begin:])
    return "\n".join(part for one in parts if (part := one.strip())), foreign


def _key(name: str) -> str:
    return name.strip().rstrip(":").casefold().replace(" ", "_")


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
