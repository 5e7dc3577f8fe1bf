"""A Python function whose gradients a critic writes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from textgrad_agents.ops.base import Op
from textgrad_agents.ops.feedback import criticised
from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.variable import Variable


class StringBasedFunction(Op):
    """A function as an op; the critic is told what the function is for.

    Args:
        fn: sync or async function of plain values by name.
        function_purpose: what it does, in words.
        name: name to show; the function's own if empty.
    """

    def __init__(self, fn: Callable[..., Any], function_purpose: str, *, name: str = "") -> None:
        self._fn = fn
        self._purpose = function_purpose
        self.name = name or getattr(fn, "__name__", type(self).__name__)

    def __call__(self, inputs: Mapping[str, Any], response_role_description: str | None = None) -> Variable[Any]:
        """Apply the function.

        Args:
            inputs: its arguments by name.
            response_role_description: role of the result.
        """
        return self.apply((), {"inputs": dict(inputs)}, role=response_role_description)

    def forward(self, inputs: Mapping[str, Any]) -> Any:
        """The function's value."""
        return self._fn(**inputs)

    def _runs_anywhere(self) -> bool:
        return self.portable or not inspect.iscoroutinefunction(self._fn)

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words from a critic; numbers are zero."""
        return criticised(ctx, purpose=self._purpose)
