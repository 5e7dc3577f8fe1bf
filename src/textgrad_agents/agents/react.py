"""ReActAgent: thinks before it acts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Self

from pydantic import PrivateAttr

from textgrad_agents.agents.base import Agent
from textgrad_agents.agents.model import ModelSettings
from textgrad_agents.agents.modules.react import (
    ACT_DEFAULT_PROMPT_TEMPLATE,
    ACT_DEFAULT_SINGLE_PROMPT_TEMPLATE,
    REACT_DEFAULT_PROMPT_TEMPLATE,
    REACT_DEFAULT_SINGLE_PROMPT_TEMPLATE,
    ReActModule,
    ReActModuleSinglePrompt,
    ToolDescriptionMethods,
)
from textgrad_agents.agents.state import SimpleAgentState
from textgrad_agents.errors import MalformedMessageError
from textgrad_agents.messages import Message, ToolResponseMessage, user
from textgrad_agents.tools import Tool
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable

logger = logging.getLogger(__name__)

MAX_TRIES = 5


class ReActAgent(ModelSettings, Agent[SimpleAgentState]):
    """Lets a model think, then act. A reply that names no action that can be taken is asked for again.

    Attributes:
        sys_prompt: the prompt (``_react_module.prompt_op.prompt``, a parameter). With `single_prompt` it names
            ``{tools}`` and ``{tool_names}``.
        single_prompt: describe the tools in the prompt and read thought and action from one reply in words; otherwise
            the model is asked twice, for the thought and for tool calls.
        tool_description_method: how a single prompt describes tools.
    """

    sys_prompt: str = ""
    tool_description_method: ToolDescriptionMethods = ToolDescriptionMethods.STR
    single_prompt: bool = False

    _react_module: ReActModule | ReActModuleSinglePrompt = PrivateAttr()

    def __init__(self, **kwargs: Any) -> None:
        alone = kwargs.get("single_prompt", False)
        kwargs.setdefault(
            "sys_prompt", REACT_DEFAULT_SINGLE_PROMPT_TEMPLATE if alone else REACT_DEFAULT_PROMPT_TEMPLATE
        )
        super().__init__(**kwargs)
        module = ReActModuleSinglePrompt if self.single_prompt else ReActModule
        self._react_module = module(self.llm_config, self.sys_prompt, self.tool_description_method, self.engine)

    @classmethod
    def make_act_agent(cls, **kwargs: Any) -> Self:
        """An agent that acts without a thought; for comparison."""
        alone = kwargs.get("single_prompt", False)
        prompt = ACT_DEFAULT_SINGLE_PROMPT_TEMPLATE if alone else ACT_DEFAULT_PROMPT_TEMPLATE
        return cls(**{"sys_prompt": prompt, **kwargs})

    async def init_state(self, tools: list[Tool]) -> SimpleAgentState:
        """An empty conversation."""
        return self.new_state(tools)

    async def get_asv(
        self, agent_state: SimpleAgentState, obs: list[Message]
    ) -> tuple[Variable[Any], SimpleAgentState, float]:
        """Think and act.

        Raises:
            MalformedMessageError: no reply of five named an action that can be taken.
            EngineError: the model could not answer.
        """
        observed = [self._observation(message) for message in obs]
        for number in range(1, MAX_TRIES + 1):
            try:
                return await self._try(agent_state, observed)
            except MalformedMessageError as error:
                if number == MAX_TRIES:
                    error.add_note(f"none of {MAX_TRIES} replies could be used; this is what was wrong with the last")
                    raise
                logger.warning("try %d of %d: %s", number, MAX_TRIES, error)
        raise AssertionError("the last try returns or raises")

    @compute_graph()
    async def _try(
        self, agent_state: SimpleAgentState, obs: Sequence[Message]
    ) -> tuple[Variable[Any], SimpleAgentState, float]:
        next_state = agent_state.get_next_state(obs)
        action, said = await self._react_module(next_state.messages, tools=next_state.tools)
        next_state.messages = [*next_state.messages, *said]
        return action, next_state, 0.0

    def _observation(self, message: Message) -> Message:
        """A tool's answer, called an observation; other messages as they are."""
        if not isinstance(message, ToolResponseMessage):
            return message
        told = f"Observation: {message.content}"
        if self.single_prompt:
            return user(told)
        return message.model_copy(update={"content": told, "content_is_json_str": False})
