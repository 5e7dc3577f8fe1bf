"""What agents with a model share: which model is asked and how, and what a reply must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator

from textgrad_agents.agents.state import SimpleAgentState
from textgrad_agents.engines.models import LLMConfig
from textgrad_agents.errors import MalformedMessageError
from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import Message
from textgrad_agents.ops.parameters import ConfigOp
from textgrad_agents.tools import Tool
from textgrad_agents.variables.variable import Variable

DEFAULT_MODEL = "auto"


def default_llm_config() -> dict[str, Any]:
    """The session's engine, or the built-in one."""
    return {"name": DEFAULT_MODEL, "temperature": 0.1}


class ModelSettings(BaseModel):
    """Settings of an agent that asks a model.

    Attributes:
        llm_config: ``name`` of the model, and options such as ``temperature``.
        engine: answers for this agent, such as a `LocalEngine`. If None, the session's actor engine does, if there is
            one; else the model that the config names.
        hide_old_env_states, hide_old_action_content, sliding_window: see `SimpleAgentState`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    llm_config: dict[str, Any] = Field(default_factory=default_llm_config)
    engine: Engine | None = Field(default=None, exclude=True, repr=False)
    hide_old_env_states: bool = False
    hide_old_action_content: bool = False
    sliding_window: PositiveInt | None = None

    @field_validator("llm_config", mode="before")
    @classmethod
    def _as_dict(cls, value: Any) -> Any:
        return as_llm_config(value)

    def new_state(self, tools: list[Tool]) -> SimpleAgentState:
        """The state that an episode begins with."""
        return SimpleAgentState(
            tools=tools,
            hide_old_env_states=self.hide_old_env_states,
            hide_old_action_content=self.hide_old_action_content,
            sliding_window=self.sliding_window,
        )


def as_llm_config(value: Any) -> Any:
    """A name or an `LLMConfig` as a dict; anything else as it is."""
    if isinstance(value, str):
        return {"name": value}
    return {"name": value} if isinstance(value, LLMConfig) else value


def config_op(llm_config: dict[str, Any]) -> ConfigOp:
    """The config as a value in the graph. No critic is asked about it."""
    return ConfigOp(Variable(llm_config, requires_grad=False, role_description="model and its sampling options"))


def called_a_tool(action: Message, tools: Sequence[Tool]) -> Message:
    """The action, if it calls a tool or there are none to call.

    Raises:
        MalformedMessageError: it calls none.
    """
    if tools and not action.tool_calls:
        names = ", ".join(tool.info.name for tool in tools)
        said = (action.content or "")[:200]
        raise MalformedMessageError(f"the model was asked to call one of {names} and called no tool: {said!r}")
    return action
