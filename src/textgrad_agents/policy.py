"""The policy file: every version of every agent's policy text, and where each version came from.

    {"version": 1, "current_iteration": 2, "num_agents": 2, "experiment": "demo", "first_iteration": 0,
     "policies": {"iteration_0": {"timestamp": "…", "agent_policies": {"piston_0": {"policy": "…"}, …},
                                  "training_stats": null, "lineage": {…}}, …}}

`first_iteration` is the version with which `experiment` began. Files without it, files with one text for the whole team
(``{"team_policy": {"policy": "…"}}``) and files that only map agents to texts are read too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator, model_validator

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import read_json
from textgrad_agents.seeds import text_hash
from textgrad_agents.validation import explain, short

SCHEMA_VERSION = 1
TEAM = "team_policy"

_KEY = re.compile(r"iteration_(0|[1-9][0-9]{0,8})")
_Index = Annotated[int, Field(strict=True, ge=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class AdapterReference(_Frozen):
    """Weights that belong to a policy: a folder of LoRA weights, its hash, and the model that they fit."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    base_model: str


class AgentPolicy(_Frozen):
    """What one agent follows."""

    policy: str
    adapter: AdapterReference | None = None


class Lineage(_Frozen):
    """Where a version came from.

    Attributes:
        parent: hash of the policies it was made from (`team_hash`).
        gradient: hash of the feedback that it was made from.
        model: the model that wrote it.
        accepted: True if the gate let it in, False if the parent was kept, None if nothing was proposed.
        score: mean return that the gate saw.
    """

    parent: str | None = None
    gradient: str | None = None
    model: str | None = None
    accepted: Annotated[bool, Field(strict=True)] | None = None
    score: Annotated[float, Field(strict=True, allow_inf_nan=False)] | None = None


class PolicyVersion(_Frozen):
    """The policies of all agents at one iteration. One policy under `team_policy` stands for every agent."""

    timestamp: str | None = None
    agent_policies: dict[str, AgentPolicy]
    training_stats: dict[str, JsonValue] | None = None
    lineage: Lineage | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_team(cls, entry: Any) -> Any:
        if isinstance(entry, dict) and TEAM in entry and "agent_policies" not in entry:
            fields = cast("dict[str, Any]", entry)
            rest = {name: value for name, value in fields.items() if name != TEAM}
            return {**rest, "agent_policies": {TEAM: fields[TEAM]}}
        return cast("Any", entry)

    @field_validator("agent_policies")
    @classmethod
    def _check_agents(cls, policies: dict[str, AgentPolicy]) -> dict[str, AgentPolicy]:
        if not policies or (TEAM in policies and len(policies) > 1):
            raise ValueError(f"must name one policy per agent, or {TEAM} alone, not {short(list(policies))}")
        return policies

    def of(self, agents: Sequence[str]) -> dict[str, AgentPolicy]:
        """The policy of each of `agents`.

        Raises:
            KeyError: the version is for other agents.
        """
        if TEAM in self.agent_policies:
            return dict.fromkeys(agents, self.agent_policies[TEAM])
        if set(agents) != set(self.agent_policies):
            raise KeyError(agents)
        return {agent: self.agent_policies[agent] for agent in agents}

    def to_dict(self) -> dict[str, Any]:
        """The version as JSON-like values."""
        entry: dict[str, Any] = {
            "timestamp": self.timestamp,
            "agent_policies": {
                agent: policy.model_dump(exclude_none=True) for agent, policy in self.agent_policies.items()
            },
            "training_stats": self.training_stats,
        }
        return entry if self.lineage is None else entry | {"lineage": self.lineage.model_dump()}

    def same_policies(self, other: PolicyVersion) -> bool:
        """True if the agents follow the same in both."""
        return self.agent_policies == other.agent_policies


class Superseded(_Frozen):
    """A version whose iteration was trained again, with another result."""

    iteration: _Index
    version: PolicyVersion


class PolicyFile(_Frozen):
    """All versions, in the order of their iterations, and which of them is current.

    Attributes:
        version: of the file's format.
        description: what the file is about.
        published: True if the file is an example to start from, never to be written.
        current_iteration: the version in use.
        num_agents: how many agents each version has policies for.
        experiment: whose run writes the file.
        first_iteration: the version with which that run began, None where there is no run.
        policies: versions by ``iteration_<i>``.
        superseded: versions that were replaced later.
    """

    version: Literal[1] = SCHEMA_VERSION
    description: str | None = None
    published: Annotated[bool, Field(strict=True)] = False
    current_iteration: _Index
    num_agents: Annotated[int, Field(strict=True, ge=1)]
    experiment: str | None = None
    first_iteration: _Index | None = None
    policies: dict[str, PolicyVersion]
    superseded: tuple[Superseded, ...] = ()

    @field_validator("policies")
    @classmethod
    def _sort(cls, policies: dict[str, PolicyVersion]) -> dict[str, PolicyVersion]:
        for key in policies:
            if not _KEY.fullmatch(key):
                raise ValueError(f"has the key {short(key)}; keys are iteration_0, iteration_1, …")
        return dict(sorted(policies.items(), key=lambda item: _number(item[0])))

    @model_validator(mode="after")
    def _check_numbers(self) -> Self:
        for field in ("current_iteration", "first_iteration"):
            number = getattr(self, field)
            if number is not None and number not in self.iterations:
                raise ValueError(f"{field} is {number}; there are {_list(self.iterations)}")
        for key, version in self.policies.items():
            if TEAM not in version.agent_policies and len(version.agent_policies) != self.num_agents:
                raise ValueError(
                    f"num_agents is {self.num_agents}; {key} has policies of {len(version.agent_policies)} agents"
                )
        return self

    @property
    def iterations(self) -> tuple[int, ...]:
        """The numbers of the versions."""
        return tuple(_number(key) for key in self.policies)

    @property
    def current(self) -> PolicyVersion:
        """The version in use."""
        return self.at(self.current_iteration)

    @property
    def agents(self) -> tuple[str, ...] | None:
        """Names of the agents of the current version; None if it is for any team."""
        return None if TEAM in self.current.agent_policies else tuple(self.current.agent_policies)

    def at(self, iteration: int) -> PolicyVersion:
        """The version of an iteration.

        Raises:
            ValueError: there is none; the message names those that exist.
        """
        version = self.policies.get(f"iteration_{iteration}")
        if version is None:
            raise ValueError(f"there is no iteration {iteration}; there are {_list(self.iterations)}")
        return version

    def reset(self, iteration: int) -> Self:
        """The same versions with another one in use.

        Raises:
            ValueError: there is no such version.
        """
        self.at(iteration)
        return self.model_copy(update={"current_iteration": iteration})

    def with_next(self, version: PolicyVersion) -> Self:
        """A file with `version` after the current one; what it replaces there, if it is another, is kept aside."""
        number = self.current_iteration + 1
        old = self.policies.get(f"iteration_{number}")
        aside = self.superseded
        if old is not None and not old.same_policies(version):
            aside = (*aside, Superseded(iteration=number, version=old))
        policies = {**self.policies, f"iteration_{number}": version}
        ordered = dict(sorted(policies.items(), key=lambda item: _number(item[0])))
        changes: dict[str, Any] = {"policies": ordered, "current_iteration": number, "superseded": aside}
        if TEAM not in version.agent_policies:
            changes["num_agents"] = len(version.agent_policies)
        return self.model_copy(update=changes)

    def to_dict(self) -> dict[str, Any]:
        """The file as JSON-like values; optional parts that say nothing are left out."""
        optional = {
            "description": self.description,
            "published": self.published or None,
            "experiment": self.experiment,
            "first_iteration": self.first_iteration,
        }
        data: dict[str, Any] = {
            "version": self.version,
            **{field: value for field, value in optional.items() if value is not None},
            "current_iteration": self.current_iteration,
            "num_agents": self.num_agents,
            "policies": {key: version.to_dict() for key, version in self.policies.items()},
        }
        if self.superseded:
            data["superseded"] = [
                {"iteration": one.iteration, "version": one.version.to_dict()} for one in self.superseded
            ]
        return data


def read_policy_file(path: Path) -> PolicyFile:
    """Read a policy file.

    Raises:
        FileFormatError: it is missing, damaged, or no policy file.
    """
    return parse_policy_file(read_json(path, what="policy file"), f"policy file {path}")


def parse_policy_file(data: Any, name: str) -> PolicyFile:
    """Read what a policy file holds.

    Args:
        data: its JSON value.
        name: what to call it in messages.

    Raises:
        FileFormatError: it is no policy file.
    """
    if not isinstance(data, dict):
        raise FileFormatError(f"{name} must hold one JSON object, not {short(data)}")
    fields = cast("dict[str, Any]", data)
    version = fields.get("version", SCHEMA_VERSION)
    if str(version) not in ("1", "1.0"):
        raise FileFormatError(f"{name} has version {short(version)}; this version of textgrad-agents reads 1")
    if "policies" not in fields and fields and all(isinstance(value, dict) for value in fields.values()):
        fields = {"current_iteration": 0, "num_agents": len(fields), "policies": {"iteration_0": _bare(fields)}}
    try:
        return PolicyFile.model_validate({**fields, "version": SCHEMA_VERSION})
    except ValidationError as error:
        problems = explain(error, fields=[name for kind in _Frozen.__subclasses__() for name in kind.model_fields])
    raise FileFormatError(f"{name}: {problems}; restore it from a copy, or name another file with --policy_path")


def team_hash(policies: Mapping[str, str]) -> str:
    """Content hash of a team's policies."""
    return text_hash("\x00".join(f"{agent}\x01{policies[agent]}" for agent in sorted(policies)))


def _bare(fields: dict[str, Any]) -> dict[str, Any]:
    return fields if TEAM in fields else {"agent_policies": fields}


def _number(key: str) -> int:
    return int(key.removeprefix("iteration_"))


def _list(numbers: Sequence[int]) -> str:
    """``0 to 4`` or ``0, 2, 3``."""
    if not numbers:
        return "none"
    if len(numbers) > 2 and numbers == tuple(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
