"""A torch module as an op: numbers flow through it by torch's own autograd.

Import it from `textgrad_agents.ops.torch_op`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch

from textgrad_agents.errors import GraphError
from textgrad_agents.ops.base import Op, with_words
from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.modes import is_recording
from textgrad_agents.variables.runs import running_call


class TorchOp(Op):
    """A module, or a function of tensors.

    Tensors, arrays, floats and lists of floats go in as tensors and get gradients in the form in which they came;
    integers go in as they are. Gradients of the module's own parameters are added to their ``.grad``, as torch does it,
    and words are handed on to all inputs.

    Args:
        module: gives one tensor.
        name: name to show; that of the module's class if empty.
    """

    def __init__(self, module: Callable[..., Any], *, name: str = "") -> None:
        self._module = module
        self.name = name or getattr(module, "__name__", type(module).__name__)

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The module's output, detached.

        Raises:
            GraphError: the module gives something else than a tensor.
        """
        tensors = [_tensor(value) for value in args]
        named = {key: _tensor(value) for key, value in kwargs.items()}
        with torch.set_grad_enabled(is_recording()):
            output = self._module(*tensors, **named)
        if not isinstance(output, torch.Tensor):
            raise GraphError(f"{self.name} must give one tensor, got a {type(output).__name__}; pick one in a function")
        if is_recording():
            call = running_call()
            call.update("tensors", (tensors, named))
            call.update("output", output)
        return output.detach()

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Numbers by torch's autograd, words straight through."""
        tensors, named = ctx.get("tensors")
        output: torch.Tensor = ctx.get("output")
        inputs = [one for one in (*tensors, *named.values()) if isinstance(one, torch.Tensor) and one.requires_grad]
        own = [one for one in self._parameters() if one.requires_grad]
        found: dict[int, torch.Tensor | None] = {}
        if output.requires_grad:
            seed = torch.as_tensor(grad_output, dtype=output.dtype, device=output.device).expand_as(output)
            grads = torch.autograd.grad(output, [*inputs, *own], seed, retain_graph=True, allow_unused=True)
            found = {id(one): grad for one, grad in zip((*inputs, *own), grads, strict=True)}
        for one in own:
            grad = found.get(id(one))
            if grad is not None:
                one.grad = grad if one.grad is None else one.grad + grad

        def given(value: Any, tensor: Any) -> Any:
            return with_words(_like(value, found.get(id(tensor))), ctx.words)

        return (
            [given(value, tensor) for value, tensor in zip(input_args, tensors, strict=True)],
            {key: given(input_kwargs[key], tensor) for key, tensor in named.items()},
        )

    def _parameters(self) -> list[torch.nn.Parameter]:
        return list(self._module.parameters()) if isinstance(self._module, torch.nn.Module) else []


def _tensor(value: Any) -> Any:
    """A value as a tensor of its own, if it is made of numbers."""
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
    elif isinstance(value, (float, np.ndarray)) or _is_floats(value):
        tensor = torch.tensor(value)
    else:
        return value
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def _is_floats(value: Any) -> bool:
    """True for a list of floats, or of such lists."""
    if not isinstance(value, (list, tuple)):
        return False
    items = cast("list[Any]", value)
    return bool(items) and all(isinstance(one, float) or _is_floats(one) for one in items)


def _like(value: Any, grad: torch.Tensor | None) -> Any:
    """A gradient in the form of the value that it belongs to."""
    if grad is None or isinstance(value, torch.Tensor):
        return grad
    return cast("Any", grad.numpy(force=True) if isinstance(value, np.ndarray) else grad.tolist())  # pyright: ignore[reportUnknownMemberType]
