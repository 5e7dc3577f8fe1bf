"""Agents of one model call per step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import PrivateAttr

from textgrad_agents.agents.base import Agent
from textgrad_agents.agents.model import ModelSettings, called_a_tool, config_op
from textgrad_agents.agents.prompts import SystemPromptOp
from textgrad_agents.agents.state import SimpleAgentState
from textgrad_agents.messages import Message, ToolRequestMessage
from textgrad_agents.ops.base import FxnOp
from textgrad_agents.ops.llm_op import LLMCallOp
from textgrad_agents.ops.parameters import ConfigOp
from textgrad_agents.tools import Tool
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable


class SimpleAgent(ModelSettings, Agent[SimpleAgentState]):
    """Asks a model which tool to call, once per step, with the whole conversation.

    Attributes:
        sys_prompt: sent first with every request; a parameter (``_sys_prompt_op.prompt``). None sends none.
    """

    sys_prompt: str | None = None

    _config_op: ConfigOp = PrivateAttr()
    _llm_call_op: LLMCallOp = PrivateAttr()
    _sys_prompt_op: SystemPromptOp | None = PrivateAttr()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config_op = config_op(self.llm_config)
        self._llm_call_op = LLMCallOp(self.engine)
        self._sys_prompt_op = None if self.sys_prompt is None else SystemPromptOp(self.sys_prompt)

    async def init_state(self, tools: list[Tool]) -> SimpleAgentState:
        """An empty conversation."""
        return self.new_state(tools)

    @compute_graph()
    async def get_asv(
        self, agent_state: SimpleAgentState, obs: list[Message]
    ) -> tuple[Variable[Any], SimpleAgentState, float]:
        """Ask the model for tool calls (for a text, where there are no tools).

        Raises:
            MalformedMessageError: there are tools and the model called none.
            EngineError: the model could not answer.
        """
        next_state = agent_state.get_next_state(obs)
        action = await self._asked([*next_state.messages], next_state.tools)
        next_state.messages = [*next_state.messages, called_a_tool(action.value, next_state.tools)]
        return action, next_state, 0.0

    async def _asked(self, messages: list[Any], tools: list[Tool] | None) -> Variable[Any]:
        """The model's reply to the system prompt and these messages."""
        if self._sys_prompt_op is not None:
            messages = [self._sys_prompt_op(), *messages]
        return await self._llm_call_op(self._config_op(), msgs=messages, tools=tools)


class NoToolsSimpleAgent(SimpleAgent):
    """Lets the model answer in words, and makes a tool request of them.

    Args:
        cast_tool_request: makes the request of the model's message.
        kwargs: the fields of `SimpleAgent`.
    """

    _cast_tool_request_op: FxnOp = PrivateAttr()

    def __init__(self, cast_tool_request: Callable[[Message], ToolRequestMessage], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._cast_tool_request_op = FxnOp(cast_tool_request)

    @compute_graph()
    async def get_asv(
        self, agent_state: SimpleAgentState, obs: list[Message]
    ) -> tuple[Variable[Any], SimpleAgentState, float]:
        """Ask the model for a text, and make a request of it.

        Raises:
            EngineError: the model could not answer.
        """
        next_state = agent_state.get_next_state(obs)
        said = await self._asked([*next_state.messages], None)
        action = await self._cast_tool_request_op(said)
        next_state.messages = [*next_state.messages, action.value]
        return action, next_state, 0.0
