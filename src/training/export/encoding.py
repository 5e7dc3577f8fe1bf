"""An episode as the JSON value of its file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message
from textgrad_agents.trajectory import Credit, Cycle, Episode, Step
from training.export.schema import SCHEMA_VERSION, UsageColumns

AgentType = Literal["llm", "rule"]

_SHORT = 24  # characters of a reply that is not worth a reference

_T = TypeVar("_T")


def encode(episode: Episode, *, agent_type: AgentType | None = None, gif_path: str | None = None) -> dict[str, Any]:
    """An episode as `training.export.schema` describes it.

    Raises:
        ConfigError: the episode cannot be written: its cycles and decisions do not fit together.
    """
    lines = _Lines()
    prompts = _Prompts(lines)
    said = Counter(step.reply for step in episode.steps())

    def reply(text: str) -> object:
        return lines.of(text) if len(text) > _SHORT and said[text] > 1 else text

    rewards = _common_rewards(episode)
    return {
        **_head(episode, _Forms(lines.of, prompts.reference, reply), agent_type, gif_path),
        "schema_version": SCHEMA_VERSION,
        "traces": any(step.trace is not None for step in episode.steps()),
        "rewards": None if rewards == [cycle.reward for cycle in episode.cycles] else rewards,
        "agents": {one.agent: _columns(one.steps, episode.cycles, rewards) for one in episode.trajectories},
        "lines": list(lines),
        "messages": prompts.messages,
        "prompts": prompts.prompts,
    }


def episode_to_dict(
    episode: Episode, *, agent_type: AgentType | None = None, gif_path: object = None
) -> dict[str, Any]:
    """An episode as a plain dict, with every text in its place.

    Keys: episode_id, iteration, total_reward, num_pistons, max_cycles, agent_type, action_mode, transitions, gif_path,
    token_stats, seed, environment, length, truncated, error, credits, metadata.

    Raises:
        ConfigError: the episode's cycles and decisions do not fit together.
    """
    return _head(episode, _Forms(str, _prompt_text, str), agent_type, None if gif_path is None else str(gif_path))


class _Forms(NamedTuple):
    """How the texts of a decision are written."""

    observation: Callable[[str], object]
    prompt: Callable[[Step], str]
    reply: Callable[[str], object]


def _head(episode: Episode, forms: _Forms, agent_type: AgentType | None, gif_path: str | None) -> dict[str, Any]:
    """What is in the file and in the plain dict; they differ in the forms of their texts."""
    asked = sum(bool(step.messages) for step in episode.steps())
    usage = episode.usage
    return {
        "episode_id": episode.episode_id,
        "iteration": episode.iteration,
        "total_reward": episode.total_reward,
        "num_pistons": len(episode.trajectories),
        "max_cycles": episode.environment.get("max_cycles", episode.length),
        "agent_type": agent_type or ("llm" if asked else "rule"),
        "action_mode": episode.environment.get("action_mode", "discrete"),
        "transitions": _transitions(episode, forms),
        "gif_path": gif_path,
        "token_stats": {
            "total_gpt_queries": asked,
            "estimated_tokens_simulation": {"input": usage.input_tokens, "output": usage.output_tokens},
        },
        "seed": episode.seed,
        "environment": dict(episode.environment),
        "length": episode.length,
        "truncated": episode.truncated,
        "error": episode.error,
        "credits": [_credit(credit) for credit in episode.credits],
        "metadata": dict(episode.metadata),
    }


def _transitions(episode: Episode, forms: _Forms) -> list[dict[str, Any]]:
    decisions = _decisions(episode)
    transitions: list[dict[str, Any]] = []
    total = 0.0
    for cycle in episode.cycles:
        if "text" in cycle.state:
            raise ConfigError(
                f"the global state of cycle {cycle.timestep} has the key 'text', kept for its description"
            )
        total += cycle.reward
        transitions.append(
            {
                "timestep": cycle.timestep,
                "global_state": {"text": cycle.text, **cycle.state},
                "agents": {step.agent: _entry(step, forms) for step in decisions[cycle.timestep]},
                "instant_reward": cycle.reward,
                "cumulative_reward": total,
                "done": cycle.done,
            }
        )
    return transitions


def _decisions(episode: Episode) -> dict[int, list[Step]]:
    """The decisions of each cycle, in the order of agents."""
    by_time: dict[int, list[Step]] = {cycle.timestep: [] for cycle in episode.cycles}
    if len(by_time) < len(episode.cycles):
        raise ConfigError("the episode cannot be written: two of its cycles have the same timestep")
    for trajectory in episode.trajectories:
        last = -1
        for step in trajectory.steps:
            if step.agent != trajectory.agent or step.timestep not in by_time or step.timestep <= last:
                raise ConfigError(
                    f"the episode cannot be written: a decision of {step.agent} at timestep {step.timestep} belongs to "
                    "no cycle of its own"
                )
            last = step.timestep
            by_time[step.timestep].append(step)
    if len({trajectory.agent for trajectory in episode.trajectories}) < len(episode.trajectories):
        raise ConfigError("the episode cannot be written: two of its trajectories are of the same agent")
    return by_time


def _entry(step: Step, forms: _Forms) -> dict[str, Any]:
    return {
        "action": step.action,
        "action_name": step.action_name,
        "local_observation": forms.observation(step.observation) if step.observation else "",
        "observation_to_gpt": forms.prompt(step) if step.messages else "",
        "gpt_query_response": forms.reply(step.reply),
    }


def _prompt_text(step: Step) -> str:
    return "\n\n".join(message.text for message in step.messages)


class _Lines(dict[str, int]):
    """Lines of texts, each kept once, by their number."""

    def of(self, text: str) -> list[int]:
        """A text as numbers of lines."""
        return [self.setdefault(line, len(self)) for line in text.split("\n")]


class _Prompts:
    """Messages and prompts, each kept once."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self.messages: list[dict[str, Any]] = []
        self.prompts: list[list[int]] = []
        self._messages: dict[object, int] = {}
        self._prompts: dict[tuple[int, ...], int] = {}

    def reference(self, step: Step) -> str:
        """How a decision names its prompt."""
        prompt = tuple(self._number(message, step.observation) for message in step.messages)
        number = self._prompts.setdefault(prompt, len(self.prompts))
        if number == len(self.prompts):
            self.prompts.append(list(prompt))
        return f"prompts[{number}]"

    def _number(self, message: Message, observation: str) -> int:
        content = message.content or ""
        around = content.split(observation) if observation else [content]
        besides = _besides(message)
        said = tuple(around) if len(around) > 1 else message.content
        key = (message.role, said, json.dumps(besides) if besides else "")
        number = self._messages.setdefault(key, len(self.messages))
        if number == len(self.messages):
            entry: dict[str, Any] = {"role": message.role}
            if len(around) > 1:
                entry["around"] = around
            elif message.content is not None:
                entry["lines"] = self._lines.of(content)
            self.messages.append(entry | besides)
        return number


def _besides(message: Message) -> dict[str, Any]:
    """What a message has besides its role and its text."""
    fields: dict[str, Any] = {
        "name": message.name,
        "tool_calls": message.tool_calls and [call.model_dump(mode="json") for call in message.tool_calls],
        "tool_call_id": message.tool_call_id,
        "content_is_json_str": message.content_is_json_str or None,
        "info": message.info,
        "cache_breakpoint": message.cache_breakpoint or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _common_rewards(episode: Episode) -> list[float | None]:
    """The rewards that the first agent, and so mostly every agent, had in the cycles."""
    first = episode.trajectories[0].steps if episode.trajectories else ()
    if [step.timestep for step in first] == [cycle.timestep for cycle in episode.cycles]:
        return [step.reward for step in first]
    return [cycle.reward for cycle in episode.cycles]


def _columns(steps: Sequence[Step], cycles: Sequence[Cycle], rewards: Sequence[float | None]) -> dict[str, Any]:
    """What the decisions have besides, without what is at its default."""
    shared = dict(zip((cycle.timestep for cycle in cycles), rewards, strict=True))
    columns: dict[str, Any] = {
        "policy_version": _column((step.policy_version for step in steps), ""),
        "finish": _column((step.finish for step in steps), None),
        "parsed": _column((step.parsed for step in steps), True),
    }
    if any(step.reward != shared[step.timestep] for step in steps):
        columns["rewards"] = [step.reward for step in steps]
    usage = {
        field: _column((getattr(step.usage, field) for step in steps), default) for field, default in _USAGE.items()
    }
    columns["usage"] = {field: column for field, column in usage.items() if column is not None} or None
    return {field: column for field, column in columns.items() if column is not None}


def _column(values: Iterable[_T], default: _T) -> list[_T] | _T | None:
    """A list, one value if all are the same, None if that is the default."""
    column = list(values)
    if any(value != column[0] for value in column):
        return column
    return None if not column or column[0] == default else column[0]


def _credit(credit: Credit) -> dict[str, Any]:
    return {
        "agent": credit.agent,
        "text": credit.text,
        "score": credit.score,
        "step": credit.step,
        "source": credit.source,
    }


_USAGE: dict[str, Any] = {name: field.default for name, field in UsageColumns.model_fields.items()}
