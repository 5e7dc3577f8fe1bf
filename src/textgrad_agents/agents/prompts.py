"""SystemPromptOp: a system prompt as a message whose text is a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgrad_agents.messages import Message, system
from textgrad_agents.ops.base import Op, straight_through
from textgrad_agents.variables.call import BackwardContext, CallID, Input
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.runs import running_call
from textgrad_agents.variables.variable import Variable

_ROLE = "system prompt of the agent"


class SystemPromptOp(Op):
    """Gives the system message; feedback on it goes to the prompt.

    Args:
        prompt: the text, sent as it is.

    Attributes:
        prompt: the text as a leaf Variable.
    """

    def __init__(self, prompt: Variable[str] | str) -> None:
        self.prompt: Variable[str] = (
            prompt if isinstance(prompt, Variable) else Variable(prompt, role_description=_ROLE)
        )

    def parameters(self) -> Mapping[str, Variable[Any]]:
        """The prompt."""
        return {"prompt": self.prompt}

    def forward(self) -> Message:
        """The message."""
        return system(running_call().input_kwargs["prompt"])

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """The prompt's role."""
        return self.prompt.role_description

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words straight through; numbers are zero."""
        return straight_through(ctx, input_args, input_kwargs, 0.0)
