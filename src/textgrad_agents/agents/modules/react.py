"""ReAct: a thought before each action (Yao et al., "ReAct", ICLR 2023), in one call of the model or in two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from textgrad_agents.agents.model import as_llm_config, called_a_tool, config_op
from textgrad_agents.agents.modules.packaging import prepend_sys
from textgrad_agents.agents.modules.parsed_call import ParsedLLMCallModule
from textgrad_agents.agents.modules.parsing import parse_message
from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import Message, Messages, ToolRequestMessage, assistant, user
from textgrad_agents.ops.base import FxnOp
from textgrad_agents.ops.llm_op import LLMCallOp
from textgrad_agents.ops.parameters import PromptOp
from textgrad_agents.tools import Tool
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable

_IN_WORDS = """Solve the task step by step with these tools:

{{tools}}

Write each step in exactly these lines, then wait:

{thought}Action: the name of one tool, out of [{{tool_names}}]
Action Input: its arguments in order, with commas between them
Observation: (the tool's answer, which will be given to you)

A step could look like this:

{example}Action: look_up_price
Action Input: "green tea", 2"""
_BY_CALLS = """Solve the task step by step with the tools that you are given.
{thought}Once you are asked to go on, call the tools of the next step.
Their answers will be given to you as observations."""
_THOUGHT = "Thought: what you know now, and what the next step is for\n"
_EXAMPLE = "Thought: The order is two boxes, so I need the price of two.\n"

REACT_DEFAULT_SINGLE_PROMPT_TEMPLATE = _IN_WORDS.format(thought=_THOUGHT, example=_EXAMPLE)
ACT_DEFAULT_SINGLE_PROMPT_TEMPLATE = _IN_WORDS.format(thought="", example="")
REACT_DEFAULT_PROMPT_TEMPLATE = _BY_CALLS.format(
    thought="Before each step, say in a few words what you know now and what the next step is for. "
)
ACT_DEFAULT_PROMPT_TEMPLATE = _BY_CALLS.format(thought="Before each step, name the tool that you will call. ")

_GO_ON = "Go on: call the tools of this step."
_STOP = ("Observation:",)


class ToolDescriptionMethods(StrEnum):
    """How tools are described in a prompt."""

    STR = "describe_str"
    XML = "describe_xml"
    JSON = "describe_json"

    def describe(self, tools: Sequence[Tool]) -> str:
        """All tools in words."""
        return "\n".join(getattr(tool.info, self.value)() for tool in tools).strip()


class ReActModuleSinglePrompt:
    """Thought and action in one reply in words; tools are described in the prompt.

    Args:
        llm_config: name of the model and options.
        sys_prompt: the prompt, with ``{tools}`` and ``{tool_names}`` in it; a parameter.
        tool_description_method: how tools are described.
        engine: the model, if it is not the one that the config names.
    """

    def __init__(
        self,
        llm_config: Any,
        sys_prompt: str = REACT_DEFAULT_SINGLE_PROMPT_TEMPLATE,
        tool_description_method: ToolDescriptionMethods = ToolDescriptionMethods.STR,
        engine: Engine | None = None,
    ) -> None:
        self.prompt_op = PromptOp(_parameter(sys_prompt))
        self.package_msg_op = FxnOp(prepend_sys)
        self.tool_select_module = ParsedLLMCallModule[ToolRequestMessage](
            _stopping(llm_config), self.parse_message, engine
        )
        self._describe = tool_description_method

    @staticmethod
    def parse_message(m: Message, tools: Sequence[Tool]) -> ToolRequestMessage:
        """The tool request in a message. See `parsing.parse_message`."""
        return parse_message(m, tools)

    @property
    def llm_call_op(self) -> LLMCallOp:
        """Asks the model."""
        return self.tool_select_module.llm_call_op

    @compute_graph()
    async def __call__(self, messages: Iterable[Message], tools: list[Tool]) -> tuple[Variable[Any], Messages]:
        """The request, and what was said on the way to it.

        Raises:
            MalformedMessageError: the reply holds no action that can be taken.
        """
        names = ", ".join(tool.info.name for tool in tools)
        prompt = self.prompt_op(tools=self._describe.describe(tools), tool_names=names)
        packaged = self.package_msg_op([*messages], sys_content=prompt)
        request, said = await self.tool_select_module(packaged, tools=tools)
        return request, [said]


class ReActModule:
    """A thought in a first call of the model, tool calls in a second one.

    Args:
        llm_config: name of the model and options.
        sys_prompt: the prompt; a parameter.
        tool_description_method: not used; tools go to the model as tools.
        engine: the model, if it is not the one that the config names.
    """

    def __init__(
        self,
        llm_config: Any,
        sys_prompt: str = REACT_DEFAULT_PROMPT_TEMPLATE,
        tool_description_method: ToolDescriptionMethods = ToolDescriptionMethods.STR,
        engine: Engine | None = None,
    ) -> None:
        self.prompt_op = PromptOp(_parameter(sys_prompt))
        self.package_msg_op = FxnOp(prepend_sys)
        self.postprocess_reasoning_msg_op = FxnOp(_go_on)
        self.config_op = config_op(_stopping(llm_config))
        self.llm_call_op = LLMCallOp(engine)

    @compute_graph()
    async def __call__(self, messages: Iterable[Message], tools: list[Tool]) -> tuple[Variable[Any], Messages]:
        """The request, and what was said on the way to it.

        Raises:
            MalformedMessageError: the second reply calls no tool.
        """
        messages = [*messages]
        prompt, config = self.prompt_op(), self.config_op()
        asked = self.package_msg_op(messages, sys_content=prompt)
        thought = await self.llm_call_op(config, msgs=asked, tools=tools, tool_choice="none")
        followed = await self.postprocess_reasoning_msg_op(messages, thought)
        asked_again = self.package_msg_op(followed, sys_content=prompt)
        request = await self.llm_call_op(config, msgs=asked_again, tools=tools)
        return request, [*followed.value[-2:], called_a_tool(request.value, tools)]


def _go_on(messages: Messages, thought: Message) -> Messages:
    """The conversation with a thought, and the request to go on (a user message, which some providers insist on)."""
    return [*messages, assistant(thought.text), user(_GO_ON)]


def _parameter(prompt: str) -> Variable[str]:
    return Variable(prompt, role_description="system prompt of the agent")


def _stopping(llm_config: Any) -> dict[str, Any]:
    """The config with a stop before the observation, which is not the model's to write."""
    return {"stop": _STOP, **as_llm_config(llm_config)}
