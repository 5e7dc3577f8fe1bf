"""`textgrad-agents run`: an agent tries a task, and the terminal shows what it does."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from envs.environment import Environment
from textgrad_agents.agents import Agent, AgentConfig
from textgrad_agents.errors import ConfigError
from textgrad_agents.files import read_json
from textgrad_agents.validation import explain
from training.callbacks import Callback, TerminalPrintingCallback, TrajectoryFileCallback
from training.command_line import Parser
from training.rollouts import RolloutManager


def main(arguments: Sequence[str]) -> int:
    """Run one rollout; the exit code is 1 if it failed."""
    parser = Parser(prog="textgrad-agents run", description="Let an agent try a task in an environment, and watch it.")
    parser.add_argument("task", metavar="TASK", help="the task in words")
    parser.add_argument(
        "--env", required=True, metavar="ENV", help="a name that `textgrad-agents envs` lists, or module:Class"
    )
    parser.add_argument(
        "--agent",
        default="SimpleAgent",
        help="a class of textgrad_agents.agents, module:Class, or a JSON file with agent_type and agent_kwargs "
        "(default: SimpleAgent)",
    )
    parser.add_argument("--model", help="the model that answers (default: the agent's own; built in if it names none)")
    parser.add_argument("--max_steps", type=int, help="most steps (default: until the environment is done)")
    parser.add_argument("--timeout", type=float, help="seconds that one answer may take (default: any)")
    parser.add_argument("--output_dir", metavar="FOLDER", help="write the trajectory there, as JSON lines")
    flags = parser.parse_args(arguments)
    sys.path.insert(0, os.getcwd())  # modules in the folder that the command is called in
    env = Environment.from_name(flags.env, task=flags.task)
    agent = agent_of(flags.agent, {} if flags.model is None else {"llm_config": {"name": flags.model}})
    callbacks: list[Callback] = [TerminalPrintingCallback()]
    if flags.output_dir is not None:
        callbacks.append(TrajectoryFileCallback(flags.output_dir))
    manager = RolloutManager(agent, callbacks=callbacks, timeout=flags.timeout)
    (trajectory,) = asyncio.run(manager.sample_trajectories(environments=[env], max_steps=flags.max_steps))
    sys.stdout.write(f"{len(trajectory.steps)} steps, reward {trajectory.total_reward:g}\n")
    return int(trajectory.failed)


def agent_of(name: str, settings: dict[str, Any]) -> Agent[Any]:
    """An agent by its class's name, as ``module:Class``, or from a JSON file with an `AgentConfig`.

    Args:
        name: which one.
        settings: arguments, which go before those in a file.

    Raises:
        ConfigError: there is no such agent, or it does not take the arguments.
        FileFormatError: the file is missing or damaged.
    """
    if name.endswith(".json"):
        stored: Any = read_json(Path(name), what="agent file")
        fields = cast("dict[str, Any]", stored) if isinstance(stored, dict) else {}
        try:
            config = AgentConfig.model_validate(fields)
        except ValidationError as error:
            raise ConfigError(f"agent file {name}: {explain(error, fields=AgentConfig.model_fields)}") from None
        return Agent.from_name(config.agent_type, **config.agent_kwargs | settings)
    if ":" in name:
        module, _, attribute = name.partition(":")
        return made_by(module, attribute, settings)
    return Agent.from_name(name, **settings)


def made_by(module: str, attribute: str, settings: dict[str, Any]) -> Agent[Any]:
    """The agent that a class or function of a module makes.

    Raises:
        ConfigError: there is none, or it does not take the settings.
    """
    try:
        maker: Any = getattr(importlib.import_module(module), attribute)
        agent = maker(**settings)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"agent {module}:{attribute} cannot be made: {error}") from None
    if not isinstance(agent, Agent):
        raise ConfigError(f"{module}:{attribute} made a {type(agent).__name__}, which is no Agent")
    return cast("Agent[Any]", agent)
