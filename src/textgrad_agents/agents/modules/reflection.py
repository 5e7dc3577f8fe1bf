"""A second look at a response before it is given."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from textgrad_agents.agents.model import as_llm_config, config_op, default_llm_config
from textgrad_agents.agents.modules.packaging import append_to_sys
from textgrad_agents.messages import Message
from textgrad_agents.ops.base import FxnOp
from textgrad_agents.ops.llm_op import LLMCallOp
from textgrad_agents.ops.parameters import PromptOp
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable

_PROMPT = """You are shown what was asked and a response to it. Think about whether the response is right and complete.
Then write the response that should be given, improved where that is needed, between <final-response> and
</final-response>. Nothing else of what you write is read."""
_FINAL = re.compile(r"<final-response>(.*?)(?:</final-response>|$)", re.DOTALL)


class ReflectModuleConfig(BaseModel):
    """Settings of a `ReflectModule`.

    Attributes:
        llm_config: name of the model and options.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    llm_config: dict[str, Any] = Field(default_factory=default_llm_config)

    @field_validator("llm_config", mode="before")
    @classmethod
    def _as_dict(cls, value: Any) -> Any:
        return as_llm_config(value)


class ReflectModule:
    """Lets a model reflect on a response; gives what it makes of it, or the response itself if it makes nothing.

    Args:
        start_config: settings.
    """

    def __init__(self, start_config: ReflectModuleConfig | None = None) -> None:
        config = ReflectModuleConfig() if start_config is None else start_config
        self.config_op = config_op(config.llm_config)
        self.prompt_op = PromptOp(Variable(_PROMPT, role_description="prompt for reflection"))
        self.question_op = FxnOp(_question)
        self.package_fxn = FxnOp(append_to_sys)
        self.llm_call_op = LLMCallOp()
        self.extract_msg = FxnOp(_final)

    @compute_graph()
    async def __call__(self, context: Variable[Any] | str, response: Variable[Any] | str) -> Variable[str]:
        """The response after a second look.

        Args:
            context: what was asked.
            response: the response to it.
        """
        packaged = self.package_fxn(self.question_op(context, response), self.prompt_op())
        said = await self.llm_call_op(self.config_op(), msgs=packaged)
        return await self.extract_msg(said, response)


def _question(context: str, response: str) -> str:
    return f"<context>\n{context}\n</context>\n<response>\n{response}\n</response>"


def _final(said: Message, response: str) -> str:
    found = _FINAL.search(said.text)
    return found[1].strip() if found and found[1].strip() else response
