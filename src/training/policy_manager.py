"""Policy files of runs: which file a run may write, and every version of the policies in it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import copy_folder, write_json
from textgrad_agents.policy import (
    AdapterReference,
    AgentPolicy,
    Lineage,
    PolicyFile,
    PolicyVersion,
    read_policy_file,
    team_hash,
)
from textgrad_agents.validation import explain, short

DEFAULT_POLICY = "No rules are known yet."


@dataclass(frozen=True, slots=True)
class PolicyPlace:
    """Where a run's policies come from and where they go.

    Attributes:
        read: the file whose current policies the run starts from; None for the default policy.
        write: the file that the run writes.
        note: what to tell the user, "" if nothing is unexpected.
    """

    read: Path | None
    write: Path
    note: str = ""


def choose_policy_file(
    path: Path,
    file: PolicyFile | None,
    *,
    own: Path,
    own_exists: bool,
    agents: Sequence[str],
    experiment: str,
    given: bool,
    continuing: bool = False,
    overwrite: bool = False,
) -> PolicyPlace:
    """Decide where a run starts from and where it writes; nothing is read or written here.

    Args:
        path: the policy file of the config.
        file: what it holds, None if it does not exist.
        own: the file in the run's own folder, written when `path` may not be.
        own_exists: True if the run wrote there before.
        agents: names of the run's agents.
        experiment: name of the run.
        given: True if the user named `path`, False if it is the default.
        continuing: True if the run goes on with what it collected before.
        overwrite: True if the run starts anew in place of an earlier one of its name.

    Raises:
        FileFormatError: the user named a file for other agents.
        ConfigError: the run would go on with policies that are not its own.
    """
    if own_exists and not overwrite:
        note = "" if path == own else f"experiment {experiment} goes on with its own policy file {own}"
        return PolicyPlace(own, own, note)
    ours = file is not None and file.experiment == experiment
    if continuing and not overwrite and not ours:
        found = "does not exist" if file is None else f"is of experiment {file.experiment or 'none'}"
        raise ConfigError(
            f"experiment {experiment} cannot go on: policy file {path} {found}; name the file that it wrote with "
            "--policy_path, or start it anew with --overwrite"
        )
    if file is None:
        return PolicyPlace(None, path)
    if overwrite and ours and not file.published:
        return PolicyPlace(None, path, f"policy file {path} is started anew")
    if file.agents is not None and set(file.agents) != set(agents):
        problem = f"policy file {path} is for {_names(file.agents)}, this run has {_names(agents)}"
        if given:
            raise FileFormatError(f"{problem}; name another file with --policy_path, or change the number of agents")
        return PolicyPlace(None, own, f"{problem}: starting from the default policy, writing {own}")
    if file.published:
        return PolicyPlace(path, own, f"policy file {path} is published: starting from it, writing {own}")
    if file.experiment is None or ours:
        return PolicyPlace(path, path)
    if given:
        return PolicyPlace(path, path, f"starting from the policies of experiment {file.experiment} in {path}")
    return PolicyPlace(
        path, own, f"policy file {path} is of experiment {file.experiment}: starting from it, writing {own}"
    )


class PolicyManager:
    """All versions of a team's policies in one file.

    Args:
        policy_path: the file; it is made by the first save.
        num_agents: how many agents, named ``piston_0``, ``piston_1``, …
        agent_names: names of the agents, if they are others.
        file: what the file is taken to hold, instead of reading it.

    Raises:
        FileFormatError: the file is damaged, or is for other agents.
    """

    def __init__(
        self,
        policy_path: str | Path,
        num_agents: int = 20,
        agent_names: Sequence[str] | None = None,
        *,
        file: PolicyFile | None = None,
    ) -> None:
        self.policy_path = Path(policy_path)
        self.agent_names = tuple(agent_names or (f"piston_{i}" for i in range(num_agents)))
        if file is None and self.policy_path.exists():
            file = read_policy_file(self.policy_path)
        self._file = file or _first(dict.fromkeys(self.agent_names, AgentPolicy(policy=DEFAULT_POLICY)), None)
        for iteration in self._file.iterations:
            self._policies_at(iteration)

    @classmethod
    def for_run(
        cls,
        place: PolicyPlace,
        agent_names: Sequence[str],
        experiment: str,
        *,
        timestamp: str,
        first: str = DEFAULT_POLICY,
        check_weights: Callable[[AdapterReference | None, Path], None] | None = None,
    ) -> Self:
        """The policies of a run, ready to be written: a run that is new to its file begins with the current policies.

        Args:
            place: where they come from and go.
            agent_names: names of the run's agents.
            experiment: name of the run.
            timestamp: when the run began, ISO 8601.
            first: policy of every agent where there is no file to start from.
            check_weights: told of the weights that the current policies refer to, and of the folder of their file,
                before anything is written; raises what is wrong with them.

        Raises:
            FileFormatError: the file to start from is damaged, or is for other agents.
            ConfigError: the file cannot be written.
        """
        start = place.write if place.read is None else place.read
        file = _first(dict.fromkeys(agent_names, AgentPolicy(policy=first)), timestamp)
        source = cls(start, agent_names=agent_names, file=file if place.read is None else None)
        if check_weights is not None:
            check_weights(source.get_current_weights(), start.parent)
        if place.read == place.write:
            if source._file.experiment == experiment:
                return source
            begun = {"experiment": experiment, "first_iteration": source.current_iteration}
            manager = cls(place.write, agent_names=agent_names, file=source._file.model_copy(update=begun))
        else:
            parent = None if place.read is None else Lineage(parent=team_hash(source.get_current_policies()))
            policies = {
                agent: _moved(policy, start.parent, place.write.parent)
                for agent, policy in source._file.current.of(source.agent_names).items()
            }
            file = _first(policies, timestamp, experiment, parent)
            manager = cls(place.write, agent_names=agent_names, file=file)
        manager._write(manager._file)
        return manager

    @property
    def num_agents(self) -> int:
        """Number of agents."""
        return len(self.agent_names)

    @property
    def current_iteration(self) -> int:
        """Number of the version in use."""
        return self._file.current_iteration

    @property
    def first_iteration(self) -> int:
        """Number of the version with which the file's experiment began: its iteration 0."""
        return self._file.first_iteration or 0

    @property
    def file(self) -> PolicyFile:
        """What the file holds."""
        return self._file

    def get_current_policies(self) -> dict[str, str]:
        """Policy text of each agent."""
        return self.load_specific_iteration(self.current_iteration)

    def get_current_weights(self) -> AdapterReference | None:
        """The adapter that belongs to the current policies, if one does.

        Raises:
            ConfigError: agents have different ones.
        """
        policies = self._policies_at(self.current_iteration).values()
        adapters = list(dict.fromkeys(policy.adapter for policy in policies))
        if len(adapters) > 1:
            raise ConfigError(
                f"the agents of policy file {self.policy_path}, iteration_{self.current_iteration}, have "
                f"{len(adapters)} different adapters; a run has one adapter for all agents"
            )
        return adapters[0]

    def load_specific_iteration(self, iteration: int) -> dict[str, str]:
        """Policy text of each agent in one version.

        Raises:
            ConfigError: there is no such version.
        """
        return {agent: policy.policy for agent, policy in self._policies_at(iteration).items()}

    def save_updated_policies(
        self,
        agent_policies: Mapping[str, str],
        stats: Mapping[str, Any] | None = None,
        *,
        timestamp: str | None = None,
        lineage: Lineage | None = None,
        adapters: Mapping[str, AdapterReference] | None = None,
    ) -> None:
        """Add a version after the current one and make it current.

        Args:
            agent_policies: policy text of each agent.
            stats: numbers of the iteration that led to it.
            timestamp: when it was made, ISO 8601. Left out, it is now, or as it was if the file holds the same policies
                there already (a run that was taken up again repeats itself).
            lineage: where it came from.
            adapters: weights that belong to an agent's policy.

        Raises:
            ConfigError: the policies are not of this file's agents, the file is published, or it cannot be written.
        """
        if set(agent_policies) != set(self.agent_names):
            raise ConfigError(
                f"policies to save must be of {_names(self.agent_names)}, not of {_names(tuple(agent_policies))}"
            )
        if self._file.published:
            raise ConfigError(f"policy file {self.policy_path} is published and only read; save to another file")
        try:
            policies = {
                agent: AgentPolicy(policy=agent_policies[agent], adapter=(adapters or {}).get(agent))
                for agent in self.agent_names
            }
            version = PolicyVersion(
                timestamp=timestamp or self._known_time(policies) or datetime.now(UTC).isoformat(timespec="seconds"),
                agent_policies=policies,
                training_stats=None if stats is None else dict(stats),
                lineage=lineage,
            )
        except ValidationError as error:
            raise ConfigError(f"these policies cannot be saved to {self.policy_path}: {explain(error)}") from None
        self._write(self._file.with_next(version))

    def get_iteration_count(self) -> int:
        """Number of versions."""
        return len(self._file.policies)

    def get_training_history(self) -> list[dict[str, Any]]:
        """The numbers of each version that has some, in order of iterations."""
        return [
            {"iteration": key, "timestamp": version.timestamp, **version.training_stats}
            for key, version in self._file.policies.items()
            if version.training_stats
        ]

    def reset_to_iteration(self, iteration: int) -> None:
        """Make an earlier version current. Later ones stay in the file.

        Raises:
            ConfigError: there is no such version, or the file cannot be written.
        """
        self._policies_at(iteration)
        self._write(self._file.reset(iteration))

    def publish(self, path: Path, iteration: int, description: str) -> None:
        """Write one version alone to another file, marked as one that runs only start from, with its weights beside it.

        Raises:
            ConfigError: there is no such version, or its weights are missing.
        """
        policies = self._policies_at(iteration)
        version = self._file.at(iteration)
        if any(policy.adapter for policy in policies.values()):
            carried = {
                agent: _carried(policy, self.policy_path.parent, path.parent) for agent, policy in policies.items()
            }
            version = version.model_copy(update={"agent_policies": carried})
        file = self._file.model_copy(
            update={
                "policies": {f"iteration_{iteration}": version},
                "current_iteration": iteration,
                "first_iteration": iteration,
                "superseded": (),
                "published": True,
                "description": description,
            }
        )
        write_json(path, file.to_dict())

    def diff(self, before: int, after: int) -> dict[str, str]:
        """What changed between two versions: a unified diff for each agent whose policy changed.

        Raises:
            ConfigError: there is no such version.
        """
        old, new = self.load_specific_iteration(before), self.load_specific_iteration(after)
        changed = [agent for agent in self.agent_names if old[agent] != new[agent]]
        return {agent: _unified(old[agent], new[agent], before, after) for agent in changed}

    def _policies_at(self, iteration: int) -> dict[str, AgentPolicy]:
        try:
            version = self._file.at(iteration)
        except ValueError as error:
            raise ConfigError(f"policy file {self.policy_path}: {error}") from None
        try:
            return version.of(self.agent_names)
        except KeyError:
            theirs, ours = _names(tuple(version.agent_policies)), _names(self.agent_names)
            raise FileFormatError(
                f"policy file {self.policy_path}, iteration_{iteration}, is for {theirs}, not {ours}; "
                "name another file with --policy_path, or change the number of agents"
            ) from None

    def _known_time(self, policies: Mapping[str, AgentPolicy]) -> str | None:
        """When the version after the current one was made, if it is there and holds these policies."""
        known = self._file.policies.get(f"iteration_{self.current_iteration + 1}")
        return known.timestamp if known is not None and known.agent_policies == policies else None

    def _write(self, file: PolicyFile) -> None:
        try:
            write_json(self.policy_path, file.to_dict())
        except OSError as error:
            raise ConfigError(
                f"policy file {self.policy_path} cannot be written: {error.strerror or error}; "
                "name another file with --policy_path"
            ) from None
        except ValueError as error:
            raise ConfigError(f"these policies cannot be saved to {self.policy_path}: {error}") from None
        self._file = file


def _first(
    policies: Mapping[str, AgentPolicy],
    timestamp: str | None,
    experiment: str | None = None,
    lineage: Lineage | None = None,
) -> PolicyFile:
    """A file with one version."""
    version = PolicyVersion(timestamp=timestamp, agent_policies=dict(policies), lineage=lineage)
    return PolicyFile(
        current_iteration=0,
        num_agents=len(policies),
        experiment=experiment,
        first_iteration=None if experiment is None else 0,
        policies={"iteration_0": version},
    )


def _moved(policy: AgentPolicy, before: Path, after: Path) -> AgentPolicy:
    """A policy whose weights stay where they are, for a file in another folder."""
    adapter = policy.adapter
    if adapter is None:
        return policy
    path = os.path.relpath(before / adapter.path, after)
    return policy.model_copy(update={"adapter": adapter.model_copy(update={"path": path})})


def _carried(policy: AgentPolicy, before: Path, after: Path) -> AgentPolicy:
    """A policy with a copy of its weights beside the file in `after`.

    Raises:
        ConfigError: the weights are missing.
    """
    adapter = policy.adapter
    if adapter is None:
        return policy
    source, name = before / adapter.path, f"adapters/{adapter.sha256[:16]}"
    if not source.is_dir():
        raise ConfigError(f"the policy's adapter {source} is missing; restore the folder, or publish another version")
    if not (after / name).exists():
        copy_folder(source, after / name)
    return policy.model_copy(update={"adapter": adapter.model_copy(update={"path": name})})


def _names(agents: Sequence[str]) -> str:
    """``10 agents (piston_0 … piston_9)``."""
    if not agents:
        return "no agents"
    shown = agents[0] if len(agents) == 1 else f"{agents[0]} … {agents[-1]}"
    return f"{len(agents)} agent{'s' if len(agents) > 1 else ''} ({short(shown)[1:-1]})"


def _unified(old: str, new: str, before: int, after: int) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), f"iteration_{before}", f"iteration_{after}", lineterm=""
    )
    return "\n".join(lines) + "\n"
