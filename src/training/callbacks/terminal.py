"""A rollout on the terminal, as it happens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from envs.environment import Environment
from textgrad_agents.agents import Agent
from textgrad_agents.messages import Message
from textgrad_agents.transitions import Transition
from textgrad_agents.variables.variable import Variable
from training.callbacks.base import Callback


class TerminalPrintingCallback(Callback):
    """Prints observations, actions, answers and rewards.

    Args:
        write: gets the pieces of text; the terminal if None.
    """

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = _printed if write is None else write

    async def before_transition(
        self, traj_id: str, agent: Agent[Any], env: Environment[Any], agent_state: Any, obs: list[Message]
    ) -> None:
        """Print what the agent sees."""
        self._show("observation", "\n".join(message.text for message in obs))

    async def after_agent_get_asv(
        self, traj_id: str, action: Variable[Any], next_agent_state: Any, value: float
    ) -> None:
        """Print what it does."""
        self._show("action", str(action.value) + (f"  (value {value:g})" if value else ""))

    async def after_transition(
        self, traj_id: str, agent: Agent[Any], env: Environment[Any], transition: Transition
    ) -> None:
        """Print what came of it."""
        if transition.failed:
            self._show("failed", str(transition.metadata["exception"]))
            return
        end = ", done" if transition.done else ", cut off" if transition.truncated else ""
        self._show("reward", f"{transition.reward:g}{end}")
        if transition.done or transition.truncated:
            self._show("last observation", "\n".join(message.text for message in transition.next_observation))

    def _show(self, what: str, text: str) -> None:
        self._write(f"{what}: {text}")


def _printed(text: str) -> None:
    what, _, said = text.partition(": ")
    Console(file=sys.stdout, highlight=False, soft_wrap=True).print(Text(f"{what}: ", style="bold") + Text(said))
