"""A thought: a model's words between two prompts, without tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from textgrad_agents.agents.modules.packaging import between_sys
from textgrad_agents.agents.modules.parsed_call import ParsedLLMCallModule
from textgrad_agents.messages import Message
from textgrad_agents.ops.base import FxnOp
from textgrad_agents.ops.parameters import PromptOp
from textgrad_agents.variables.runs import compute_graph
from textgrad_agents.variables.variable import Variable


class ThoughtModule:
    """Asks a model with one system prompt before the conversation and one after it.

    Args:
        llm_config: name of the model and options.
        first_sys_prompt, second_sys_prompt: templates; parameters.
    """

    def __init__(self, llm_config: Any, first_sys_prompt: str, second_sys_prompt: str) -> None:
        self.first_sys_prompt_op = PromptOp(
            Variable(first_sys_prompt, role_description="system prompt before the conversation")
        )
        self.second_sys_prompt_op = PromptOp(
            Variable(second_sys_prompt, role_description="system prompt after the conversation")
        )
        self.package_msg_op = FxnOp(between_sys)
        self.llm_call = ParsedLLMCallModule[Message](llm_config, _words)

    @compute_graph()
    async def __call__(
        self,
        messages: Iterable[Message],
        first_prompt_kwargs: Mapping[str, Any],
        second_prompt_kwargs: Mapping[str, Any],
    ) -> Variable[Message]:
        """The model's message.

        Args:
            messages: the conversation.
            first_prompt_kwargs: values of the first prompt's places.
            second_prompt_kwargs: values of the second prompt's places.
        """
        packaged = self.package_msg_op(
            [*messages],
            initial_sys_content=self.first_sys_prompt_op(**first_prompt_kwargs),
            final_sys_content=self.second_sys_prompt_op(**second_prompt_kwargs),
        )
        return (await self.llm_call(packaged))[0]


def _words(message: Message) -> Message:
    """The message without tool calls."""
    return Message(role=message.role, content=message.content)
