"""The episode that a file records."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar, cast

from textgrad_agents.errors import FileFormatError
from textgrad_agents.messages import Finish, Message, Usage
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory
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
from training.export.traces import Traces

_T = TypeVar("_T")
_Row = tuple[TransitionEntry, AgentEntry]
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
        trajectories = _Reader(record, traces or {}).trajectories()
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
    return Cycle(
        entry.timestep, text if isinstance(text, str) else json.dumps(text), state, entry.instant_reward, entry.done
    )


class _Reader:
    """Reads the decisions of a record. Each of its methods raises ValueError where parts contradict each other."""

    def __init__(self, record: EpisodeRecord, traces: Traces) -> None:
        self._record = record
        self._traces = traces
        times = [transition.timestep for transition in record.transitions]
        if any(later <= earlier for earlier, later in itertools.pairwise(times)):
            raise ValueError("the timesteps of its transitions do not rise")
        rewards = tuple(transition.instant_reward for transition in record.transitions)
        common = rewards if record.rewards is None else _spread(record.rewards, len(times), "rewards")
        self._rewards: dict[int, float | None] = dict(zip(times, common, strict=True))
        self._messages = [None if one.around is not None else self._message(one) for one in record.messages]

    def trajectories(self) -> tuple[Trajectory, ...]:
        """The run of each agent."""
        transitions, columns = self._record.transitions, self._record.agents
        if columns is None:
            columns = {agent: AgentColumns() for one in transitions for agent in one.agents}
        rows: dict[str, list[_Row]] = {agent: [] for agent in columns}
        for transition in transitions:
            for agent, entry in transition.agents.items():
                if agent not in rows:
                    raise ValueError(f"{short(agent)} decides at timestep {transition.timestep} and is not in agents")
                rows[agent].append((transition, entry))
        return tuple(Trajectory(agent, tuple(self._steps(agent, rows[agent], own))) for agent, own in columns.items())

    def _steps(self, agent: str, rows: Sequence[_Row], columns: AgentColumns) -> Iterator[Step]:
        count = len(rows)
        versions = _spread(columns.policy_version, count, f"agents.{agent}.policy_version")
        finish: tuple[Finish | None, ...] = _spread(columns.finish, count, f"agents.{agent}.finish")
        parsed = _spread(columns.parsed, count, f"agents.{agent}.parsed")
        usage = _usage(columns.usage, count, f"agents.{agent}.usage")
        rewards = None if columns.rewards is None else _spread(columns.rewards, count, f"agents.{agent}.rewards")
        for i, (transition, entry) in enumerate(rows):
            time, observation = transition.timestep, self._text(entry.local_observation)
            yield Step(
                agent=agent,
                timestep=time,
                observation=observation,
                messages=self._prompt(entry.observation_to_gpt, observation),
                reply=self._text(entry.gpt_query_response or ""),
                action=entry.action,
                action_name=entry.action_name,
                finish=finish[i],
                parsed=parsed[i],
                usage=usage[i],
                trace=self._traces.get((time, agent)),
                reward=self._rewards[time] if rewards is None else rewards[i],
                policy_version=versions[i],
            )

    def _text(self, text: str | tuple[int, ...]) -> str:
        if isinstance(text, str):
            return text
        return "\n".join(_at(self._record.lines, number, "lines") for number in text)

    def _prompt(self, reference: str | None, observation: str) -> tuple[Message, ...]:
        """The messages of a decision, from the reference to its prompt, or in older files from the prompt itself."""
        if not reference:
            return ()
        if self._record.schema_version is None:
            return (Message(content=reference),)
        match = _PROMPT.fullmatch(reference)
        if match is None:
            raise ValueError(f"observation_to_gpt {short(reference)} names no prompt")
        numbers = _at(self._record.prompts, int(match[1]), "prompts")
        return tuple(
            _at(self._messages, number, "messages") or self._message(self._record.messages[number], observation)
            for number in numbers
        )

    def _message(self, entry: MessageEntry, observation: str = "") -> Message:
        content = None if entry.lines is None else self._text(entry.lines)
        return Message(
            role=entry.role,
            content=content if entry.around is None else observation.join(entry.around),
            name=entry.name,
            tool_calls=entry.tool_calls,
            tool_call_id=entry.tool_call_id,
            content_is_json_str=entry.content_is_json_str,
            info=entry.info,
            cache_breakpoint=entry.cache_breakpoint,
        )


def _usage(columns: UsageColumns, count: int, name: str) -> list[Usage]:
    fields = [_spread(getattr(columns, field), count, f"{name}.{field}") for field in UsageColumns.model_fields]
    return [Usage(*values) for values in zip(*fields, strict=True)]


def _spread(column: _T | tuple[_T, ...], count: int, name: str) -> tuple[_T, ...]:
    """A column as one value per decision."""
    if not isinstance(column, tuple):
        return (column,) * count
    values = cast("tuple[_T, ...]", column)
    if len(values) != count:
        raise ValueError(f"{name} has {len(values)} values for {count} decisions")
    return values


def _at(table: Sequence[_T], number: int, name: str) -> _T:
    if number >= len(table):
        raise ValueError(f"number {number} of {name} is asked for; there are {len(table)}")
    return table[number]
