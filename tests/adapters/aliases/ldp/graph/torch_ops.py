"""TorchOp as LDP's tests ask for it: results and gradients as tensors of torch's graph, and a backward of the class."""

from typing import Any

import torch

from textgrad_agents.ops import torch_op
from textgrad_agents.variables import BackwardContext, CallID, running_call

__all__ = ["TorchOp"]


class TorchOp(torch_op.TorchOp):
    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        output = super().forward(*args, **kwargs)
        return running_call().get("tensor_output", output)

    @staticmethod
    def backward(ctx: Any, input_args: Any, input_kwargs: Any, grad_output: Any, call_id: CallID) -> Any:
        if not isinstance(ctx, BackwardContext):
            ctx.get(call_id, "tensor_input")
            result = ctx.data[call_id]
            ctx = BackwardContext(result.call, result, (), None)
        call = ctx.call
        return torch_op.TorchOp.backward(call.op, ctx, call.input_args, call.input_kwargs, grad_output, call_id)

    def get_input_grads(self, call_id: CallID) -> Any:
        args, kwargs = self.ctx.get_input_grads(call_id)
        return [torch.as_tensor(one) for one in args], {key: torch.as_tensor(one) for key, one in kwargs.items()}
