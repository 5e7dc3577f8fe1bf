"""The shape of `episode.json`.

What repeats is said once:

- `lines` holds every line of the observations and system prompts, and of long replies that were given more than once;
  such a text is a list of numbers of lines.
- `messages` holds what was sent, with a gap where the agent's observation stood; `prompts` lists messages by number,
  and a decision names its prompt (``"observation_to_gpt": "prompts[3]"``).
- `agents` holds in columns what decisions have besides; a column that never changes is a single value.

`EpisodeLoader` puts every text back into its place. Files without `schema_version` have the texts in place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from textgrad_agents.errors import FileFormatError
from textgrad_agents.messages import Finish, Role, ToolCall
from textgrad_agents.trajectory import Credit
from textgrad_agents.validation import explain, short

SCHEMA_VERSION = 1
WAY_OUT = "restore it from a copy, or delete its folder and the episode is played again"

Index = Annotated[int, Field(strict=True, ge=0)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Values = dict[str, JsonValue]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class AgentEntry(_Model):
    """One agent's decision."""

    action: JsonValue = None
    action_name: str = ""
    local_observation: str | tuple[Index, ...] = ""
    observation_to_gpt: str | None = ""
    gpt_query_response: str | tuple[Index, ...] | None = ""


class TransitionEntry(_Model):
    """One cycle."""

    timestep: Index
    global_state: Values
    agents: dict[str, AgentEntry]
    instant_reward: Number
    cumulative_reward: Number
    done: Flag


class UsageColumns(_Model):
    """Tokens of an agent's calls."""

    input_tokens: Index | tuple[Index, ...] = 0
    output_tokens: Index | tuple[Index, ...] = 0
    cached_tokens: Index | tuple[Index, ...] = 0
    reasoning_tokens: Index | tuple[Index, ...] = 0
    estimated: Flag | tuple[Flag, ...] = False


class AgentColumns(_Model):
    """What an agent's decisions have besides. Rewards are left out where they are those of the file."""

    policy_version: str | tuple[str, ...] = ""
    finish: Finish | tuple[Finish | None, ...] | None = None
    parsed: Flag | tuple[Flag, ...] = True
    rewards: tuple[Number | None, ...] | None = None
    usage: UsageColumns = UsageColumns()


class MessageEntry(_Model):
    """A message. Its text is `lines` by number, or what stood `around` the observation; a message may have none."""

    role: Role
    lines: tuple[Index, ...] | None = None
    around: tuple[str, ...] | None = None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_call_id: str | None = None
    content_is_json_str: Flag = False
    info: Values | None = None
    cache_breakpoint: Flag = False


class EpisodeRecord(_Model):
    """A whole file. `rewards` are left out where each agent's reward is that of the cycle."""

    episode_id: Index
    iteration: Index = 0
    total_reward: Number
    num_pistons: Index = 0
    max_cycles: Index = 0
    agent_type: str = "llm"
    action_mode: str = "discrete"
    transitions: tuple[TransitionEntry, ...]
    gif_path: str | None = None
    token_stats: Values = Field(default_factory=dict[str, JsonValue])
    schema_version: Literal[1] | None = None
    seed: Annotated[int, Field(strict=True)] = 0
    environment: Values = Field(default_factory=dict[str, JsonValue])
    length: Index | None = None
    truncated: Flag = False
    error: str | None = None
    credits: tuple[Credit, ...] = ()
    metadata: Values = Field(default_factory=dict[str, JsonValue])
    traces: Flag = False
    rewards: tuple[Number | None, ...] | None = None
    agents: dict[str, AgentColumns] | None = None
    lines: tuple[str, ...] = ()
    messages: tuple[MessageEntry, ...] = ()
    prompts: tuple[tuple[Index, ...], ...] = ()


def parse(data: Any, name: str) -> EpisodeRecord:
    """Read the JSON value of an episode file.

    Raises:
        FileFormatError: it is none.
    """
    if not isinstance(data, dict):
        raise FileFormatError(f"{name} must hold one JSON object, not {short(data)}")
    fields = cast("dict[str, Any]", data)
    version = fields.get("schema_version")
    if version is not None and (type(version) is not int or version != SCHEMA_VERSION):
        raise FileFormatError(f"{name} has schema_version {short(version)}; this version reads {SCHEMA_VERSION}")
    try:
        return EpisodeRecord.model_validate(fields, extra="ignore" if version is None else "forbid")
    except ValidationError as error:
        problems = explain(error, fields=list(EpisodeRecord.model_fields))
    raise FileFormatError(f"{name}: {problems}; {WAY_OUT}")
