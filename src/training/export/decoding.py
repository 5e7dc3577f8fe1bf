"""The episode that a file records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

from textgrad_agents.errors import FileFormatError
from textgrad_agents.messages import Message, Usage
from textgrad_agents.trajectory import Cycle, Episode, Step, TokenTrace, Trajectory
from textgrad_agents.validation import short
from training.export.schema import (
    WAY_OUT,
    AgentColumns,
    AgentEntry,
    EpisodeRecord,
    MessageEntry,
    TransitionEntry,
    UsageColumns,
)

Traces = dict[tuple[int, str], TokenTrace]
"""Token traces by timestep and agent."""

_T = TypeVar("_T")
_PROMPT = re.compile(r"prompts\[(0|[1-9][0-9]{0,8})\]")


def decode(record: EpisodeRecord, name: str, traces: Traces | None = None) -> Episode:
    """The episode that a file records.

    Args:
        record: the file.
        name: what to call it in messages.
        traces: token traces, which are kept in another file.

    Raises:
        FileFormatError: its parts contradict each other.
    """
    try:
        trajectories = _trajectories(record, traces or {})
    except ValueError as error:
        raise FileFormatError(f"{name}: {error}; {WAY_OUT}") from None
    return Episode(
        episode_id=record.episode_id,
        iteration=record.iteration,
        seed=record.seed,
        environment=record.environment,
        trajectories=trajectories,
        cycles=tuple(_cycle(entry) for entry in record.transitions),
        total_reward=record.total_reward,
        length=len(record.transitions) if record.length is None else record.length,
        truncated=record.truncated,
        error=record.error,
        credits=record.credits,
        metadata=record.metadata,
    )


def _cycle(entry: TransitionEntry) -> Cycle:
    state = dict(entry.global_state)
    text = state.pop("text", "")
    if not isinstance(text, str):
        text = json.dumps(text)
    return Cycle(entry.timestep, text, state, entry.instant_reward, entry.done)


def _trajectories(record: EpisodeRecord, traces: Traces) -> tuple[Trajectory, ...]:
    names = record.agents
    if names is None:
        names = dict.fromkeys(
            (agent for transition in record.transitions for agent in transition.agents), AgentColumns()
        )
    rows: dict[str, list[tuple[TransitionEntry, AgentEntry]]] = {agent: [] for agent in names}
    for transition in record.transitions:
        for agent, entry in transition.agents.items():
            if agent not in rows:
                raise ValueError(f"{short(agent)} decides at timestep {transition.timestep} and is not under agents")
            rows[agent].append((transition, entry))
    prompts = _prompt_reader(record)
    return tuple(
        Trajectory(agent, tuple(_steps(agent, rows[agent], columns, prompts, traces)))
        for agent, columns in names.items()
    )


def _steps(
    agent: str,
    rows: Sequence[tuple[TransitionEntry, AgentEntry]],
    columns: AgentColumns,
    prompts: Callable[[AgentEntry], tuple[Message, ...]],
    traces: Traces,
) -> Iterable[Step]:
    count = len(rows)
    versions = _spread(columns.policy_version, count, f"agents.{agent}.policy_version")
    parsed = _spread(columns.parsed, count, f"agents.{agent}.parsed")
    shared = tuple(transition.instant_reward for transition, _ in rows)
    rewards = shared if columns.rewards is None else _spread(columns.rewards, count, f"agents.{agent}.rewards")
    usage = [
        Usage(*values)
        for values in zip(
            *(
                _spread(getattr(columns.usage, field), count, f"agents.{agent}.usage.{field}")
                for field in UsageColumns.model_fields
            ),
            strict=True,
        )
    ]
    for i, (transition, entry) in enumerate(rows):
        yield Step(
            agent=agent,
            timestep=transition.timestep,
            observation=entry.local_observation,
            messages=prompts(entry),
            reply=entry.gpt_query_response or "",
            action=entry.action,
            action_name=entry.action_name,
            parsed=parsed[i],
            usage=usage[i],
            trace=traces.get((transition.timestep, agent)),
            reward=rewards[i],
            policy_version=versions[i],
        )


def _prompt_reader(record: EpisodeRecord) -> Callable[[AgentEntry], tuple[Message, ...]]:
    """What gives the messages of a decision."""
    if record.schema_version is None:
        return lambda entry: (Message(content=entry.observation_to_gpt),) if entry.observation_to_gpt else ()
    fixed = [None if one.around is not None else _message(one, one.content) for one in record.messages]

    def read(entry: AgentEntry) -> tuple[Message, ...]:
        if not entry.observation_to_gpt:
            return ()
        match = _PROMPT.fullmatch(entry.observation_to_gpt)
        if match is None or int(match[1]) >= len(record.prompts):
            raise ValueError(f"observation_to_gpt {short(entry.observation_to_gpt)} names none of its prompts")
        return tuple(fill(number, entry.local_observation) for number in record.prompts[int(match[1])])

    def fill(number: int, observation: str) -> Message:
        if number >= len(fixed):
            raise ValueError(f"a prompt names message {number}; there are {len(fixed)}")
        message, entry = fixed[number], record.messages[number]
        return message or _message(entry, observation.join(entry.around or ()))

    return read


def _message(entry: MessageEntry, content: str | list[dict[str, Any]] | None) -> Message:
    return Message(
        role=entry.role,
        content=content,
        name=entry.name,
        tool_calls=entry.tool_calls,
        tool_call_id=entry.tool_call_id,
    )


def _spread(column: _T | tuple[_T, ...], count: int, name: str) -> tuple[_T, ...]:
    """A column as one value per decision."""
    if not isinstance(column, tuple):
        return (column,) * count
    values = cast("tuple[_T, ...]", column)
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} values for {count} decisions")
    return values
