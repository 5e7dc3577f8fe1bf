"""Callbacks that write files, step by step, so that a program that is killed leaves what was played."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.files import write_text
from textgrad_agents.messages import Message, MessagesAdapter
from textgrad_agents.transitions import Trajectory, Transition
from textgrad_agents.transitions.files import head_of, line_of
from textgrad_agents.variables.variable import Variable
from training.callbacks.base import Callback

SerializeEnv = Callable[[Environment[Any], Transition], "str | None"]


def last_frame(env: Environment[Any], transition: Transition) -> str | None:
    """The environment's frame as JSON once the episode is over; None before, and where there is no frame."""
    if not (transition.done or transition.truncated):
        return None
    try:
        frame = env.export_frame()
    except NotImplementedError:
        return None
    return frame.model_dump_json(exclude={"state"}, indent=2)


class TrajectoryFileCallback(Callback):
    """Writes each trajectory to a file of its own, ``<id>.jsonl``, line by line as its steps are made.

    A step that cannot be written as JSON becomes a failed one, in the file and in the trajectory.

    Args:
        output_dir: the folder; it is made.
        serialize_env: gives a text for ``<id>_env.json``, or None; see `last_frame`.

    Raises:
        ConfigError: the folder cannot be made.
    """

    def __init__(self, output_dir: str | os.PathLike[str], serialize_env: SerializeEnv = last_frame) -> None:
        self.output_dir = made_folder(output_dir)
        self._serialize_env = serialize_env
        self._metadata: dict[str, dict[str, Any]] = {}

    async def before_rollout(self, traj_id: str, env: Environment[Any]) -> None:
        """Note the environment's task."""
        self._metadata[traj_id] = (await Trajectory.from_env(env)).metadata

    async def after_transition(
        self, traj_id: str, agent: Agent[Any], env: Environment[Any], transition: Transition
    ) -> None:
        """Write the step."""
        target = self.output_dir / f"{file_name(traj_id)}.jsonl"
        line = line_of(transition)
        lost = json.loads(line)["metadata"].get("exception")
        if lost and not transition.failed:
            transition.metadata["exception"] = lost
        first = transition.timestep == 0 or not target.exists()  # a branch of a tree begins where its file does
        with target.open("w" if first else "a", encoding="utf-8") as file:
            if first:
                file.write(head_of(traj_id, self._metadata.get(traj_id, {})) + "\n")
            file.write(line + "\n")
        shown = None if transition.failed else self._serialize_env(env, transition)
        if shown is not None:
            write_text(self.output_dir / f"{file_name(traj_id)}_env.json", shown)

    async def after_rollout(self, traj_id: str, agent: Agent[Any], env: Environment[Any]) -> None:
        """Forget the task."""
        self._metadata.pop(traj_id, None)


class RolloutDebugDumpCallback(Callback):
    """Writes what agents did and environments answered as events with their seconds, to ``<id>.jsonl``.

    Args:
        output_dir: the folder; it is made.

    Raises:
        ConfigError: the folder cannot be made.
    """

    def __init__(self, output_dir: str | os.PathLike[str]) -> None:
        self.output_dir = made_folder(output_dir)
        self._since: dict[str, float] = {}

    async def before_transition(
        self, traj_id: str, agent: Agent[Any], env: Environment[Any], agent_state: Any, obs: list[Message]
    ) -> None:
        """Start the clock."""
        self._since[traj_id] = time.monotonic()

    async def after_agent_get_asv(
        self, traj_id: str, action: Variable[Any], next_agent_state: Any, value: float
    ) -> None:
        """Write the action."""
        self._write(traj_id, event="AGENT_GET_ASV", action=to_jsonable_python(action.value), value=value)

    async def after_env_step(self, traj_id: str, obs: list[Message], reward: float, done: bool, trunc: bool) -> None:
        """Write the answer."""
        said = MessagesAdapter.dump_python(obs, mode="json")
        self._write(traj_id, event="ENV_STEP", obs=said, reward=reward, done=done, truncated=trunc)

    async def after_rollout(self, traj_id: str, agent: Agent[Any], env: Environment[Any]) -> None:
        """Forget the clock."""
        self._since.pop(traj_id, None)

    def _write(self, traj_id: str, event: str, **facts: Any) -> None:
        now = time.monotonic()
        elapsed = now - self._since.get(traj_id, now)
        self._since[traj_id] = now
        with (self.output_dir / f"{file_name(traj_id)}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, "elapsed": elapsed, **facts}) + "\n")


def file_name(traj_id: str) -> str:
    """A trajectory's id as the name of a file: what is no letter, digit, dash or dot is a dash."""
    return "".join(one if one.isalnum() or one in "-." else "-" for one in traj_id).lstrip(".")


def made_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, made if it is not there.

    Raises:
        ConfigError: it cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be made: {error.strerror or error}") from None
    return folder
