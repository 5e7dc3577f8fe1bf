"""The mean squared error as an op."""

from __future__ import annotations

import math
from typing import Any

from textgrad_agents.ops.base import Op
from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import NumberTree


class MSELossOp(Op):
    """Mean of the squared differences of two arrays, or two tensors, of one shape.

    Its numeric gradient is that of the prediction; the target gets none. A numpy loss is a float, a torch loss a
    tensor.
    """

    def forward(self, prediction: Any, target: Any) -> Any:
        """The loss."""
        loss = ((prediction - target) ** 2).mean()
        return float(loss) if type(prediction).__module__ == "numpy" else loss

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """``2 (prediction - target) / n``, times the gradient of the loss if it has one, for the prediction."""
        difference = input_kwargs["prediction"] - input_kwargs["target"]
        scale = 2.0 / math.prod(difference.shape)
        return [], {"prediction": difference * scale * (grad_output or 1.0), "target": None}
