"""InteractiveAgent: a person at the keyboard."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

from textgrad_agents.agents.base import Agent
from textgrad_agents.agents.state import SimpleAgentState
from textgrad_agents.errors import TextgradAgentsError
from textgrad_agents.messages import Message, ToolCall, ToolRequestMessage
from textgrad_agents.tools import Tool
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable

CLEAR = "CLEAR"
EXIT = "EXIT"
_BAR = "-" * 80


class PersonLeft(TextgradAgentsError, RuntimeError):
    """The person at the keyboard does not want to go on."""


class _StartOver(Exception):
    """The person wants to choose again; caught where the choice begins."""


class InteractiveAgent(Agent[SimpleAgentState]):
    """Shows a person what was observed and asks which tool to call with which arguments.

    `CLEAR` begins the choice again, `EXIT` ends the rollout.

    Args:
        ask: shows a prompt and gives the answer; the terminal's if None.
        show: shows a text; on the terminal if None.
    """

    def __init__(self, ask: Callable[[str], str] | None = None, show: Callable[[str], None] | None = None) -> None:
        self._ask = ask
        self._show = _print if show is None else show

    async def init_state(self, tools: list[Tool]) -> SimpleAgentState:
        """Show the tools."""
        self._show(f"TOOLS\n{_BAR}\n" + "\n".join(tool.info.describe_str() for tool in tools) + _BAR)
        return SimpleAgentState(tools=tools)

    @compute_graph()
    async def get_asv(
        self, agent_state: SimpleAgentState, obs: list[Message]
    ) -> tuple[Variable[Any], SimpleAgentState, float]:
        """Ask the person.

        Raises:
            PersonLeft: the person typed `EXIT`, or there is nothing to type at.
        """
        next_state = agent_state.get_next_state(obs)
        self._show(f"OBSERVATIONS\n{_BAR}\n" + "\n".join(message.text for message in obs) + f"\n{_BAR}")
        action = ToolRequestMessage(tool_calls=[await self._chosen(next_state.tools)])
        next_state.messages = [*next_state.messages, action]
        return await Agent.wrap_action(action), next_state, 0.0

    async def _chosen(self, tools: list[Tool]) -> ToolCall:
        while True:
            try:
                tool = await self._tool(tools)
                return ToolCall.from_name(tool.info.name, **await self._arguments(tool))
            except _StartOver:
                continue

    async def _tool(self, tools: list[Tool]) -> Tool:
        while True:
            name = await self._answer(">>> tool: ")
            for tool in tools:
                if tool.info.name == name:
                    return tool
            self._show(f"no tool is called {name!r}; there are {', '.join(tool.info.name for tool in tools)}")

    async def _arguments(self, tool: Tool) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for name, schema in tool.info.get_properties().items():
            default = f" = {schema['default']!r}" if "default" in schema else ""
            while True:
                said = await self._answer(f">>> {name}: {schema.get('type', 'any')}{default}: ")
                if said or "default" in schema:
                    break
                self._show(f"{name} has no default; type something")
            if said:
                arguments[name] = _read(said)
        return arguments

    async def _answer(self, prompt: str) -> str:
        """What the person types; other tasks go on meanwhile."""
        try:
            said = (await asyncio.to_thread(self._ask or input, prompt)).strip()
        except EOFError:
            raise PersonLeft("there is nothing more to read from the keyboard") from None
        if said == EXIT:
            raise PersonLeft("the person at the keyboard ended the rollout")
        if said == CLEAR:
            raise _StartOver
        return said


def _read(said: str) -> Any:
    """Numbers, lists and so on as such; anything else is a text."""
    try:
        return json.loads(said)
    except ValueError:
        return said


def _print(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")
