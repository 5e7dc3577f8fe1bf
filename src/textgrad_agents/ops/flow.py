"""Ops that only direct gradients: identity and stop."""

from __future__ import annotations

from typing import Any

from textgrad_agents.ops.base import Op, straight_through
from textgrad_agents.variables.call import BackwardContext, CallID, Input
from textgrad_agents.variables.gradient import NumberTree


class IdentityOp(Op):
    """Gives its input; gradients pass unchanged."""

    def forward(self, value: Any) -> Any:
        """The input."""
        return value

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """The input's role."""
        return inputs[0][1].role_description if len(inputs) == 1 else super().output_role(inputs)

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """The output's gradient."""
        return straight_through(ctx, input_args, input_kwargs, grad_output)


class StopGradOp(IdentityOp):
    """Gives its input; gradients end here."""

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """None."""
        return [], {"value": None}
