"""A torch module as an op: numbers flow through it by torch's own autograd.

Import it from `textgrad_agents.ops.torch_op`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import torch

from textgrad_agents.errors import GraphError
from textgrad_agents.ops.base import Grads, Op, with_words
from textgrad_agents.ops.signature import Signature
from textgrad_agents.ops.torch_op.modes import torch_modes
from textgrad_agents.variables.call import BackwardContext, CallID
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.modes import is_recording
from textgrad_agents.variables.runs import running_call


class TorchOp(Op):
    """A module, or a function of tensors.

    Tensors, arrays, floats and lists of floats go in as tensors and get gradients in the form in which they came;
    integers go in as they are. Arguments have the names of the module's parameters. Gradients of its weights are added
    to their ``.grad``, as torch does it (`TorchParamBackwardEstimator` keeps them with the call instead), and words are
    handed on to all inputs.

    Args:
        module: gives one tensor.
        name: name to show; that of the module's class if empty.
        autocast_dtype: what torch computes in where that is safe; as outside if None.
        autocast_device_type: the kind of device that this goes for.
    """

    def __init__(
        self,
        module: Callable[..., Any],
        *,
        name: str = "",
        autocast_dtype: torch.dtype | None = None,
        autocast_device_type: str = "cpu",
    ) -> None:
        self._module = module
        self._autocast = (autocast_dtype, autocast_device_type)
        self.name = name or getattr(module, "__name__", type(module).__name__)
        self._signature = Signature(module.forward if isinstance(module, torch.nn.Module) else module, skip_self=False)

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """The module's output, detached.

        Raises:
            GraphError: the module gives something else than a tensor.
        """
        call = running_call()
        tensors = [_tensor(value) for value in call.input_args]
        named = {key: _tensor(value) for key, value in call.input_kwargs.items()}
        dtype, device_type = self._autocast
        with torch_modes(grad=is_recording(), autocast_dtype=dtype, autocast_device_type=device_type):
            output = self._signature.call(self._module, tensors, named)
        if not isinstance(output, torch.Tensor):
            raise GraphError(f"{self.name} must give one tensor, got a {type(output).__name__}; pick one in a function")
        if is_recording():
            call.update("tensor_input", (tensors, named))
            call.update("tensor_output", output)
        return output.detach()

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Grads:
        """Numbers by torch's autograd, words straight through."""
        own = dict(self._module.named_parameters()) if isinstance(self._module, torch.nn.Module) else {}
        grads, of_weights = _torch_grads(ctx, input_args, input_kwargs, grad_output, own)
        for name, grad in of_weights.items():
            weight = own[name]
            weight.grad = grad if weight.grad is None else weight.grad + grad
        return grads


class TorchParamBackwardEstimator:
    """`TorchOp`'s backward, which keeps the gradients of weights with the call and leaves their ``.grad`` alone.

    Give its `backward` as one of `backward_fns`. The call then keeps ``grad_params``, one tensor by each weight's name
    that the output depends on, so that several calls can be told apart.

    Args:
        torch_module: the module whose weights are meant.
    """

    def __init__(self, torch_module: torch.nn.Module) -> None:
        self._weights = dict(torch_module.named_parameters())

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Grads:
        """Gradients of the inputs, as `TorchOp.backward` gives them."""
        grads, of_weights = _torch_grads(ctx, input_args, input_kwargs, grad_output, self._weights)
        ctx.update("grad_params", of_weights)
        return grads


def _torch_grads(
    ctx: BackwardContext,
    input_args: list[Any],
    input_kwargs: dict[str, Any],
    grad_output: NumberTree,
    weights: Mapping[str, torch.nn.Parameter],
) -> tuple[Grads, dict[str, torch.Tensor]]:
    """Gradients of a call's inputs, with the output's words, and of the weights that the output depends on."""
    tensors, named = ctx.get("tensor_input")
    output: torch.Tensor = ctx.get("tensor_output")
    inputs = [one for one in (*tensors, *named.values()) if isinstance(one, torch.Tensor) and one.requires_grad]
    trained = {name: one for name, one in weights.items() if one.requires_grad}
    found: dict[int, torch.Tensor | None] = {}
    if output.requires_grad:
        seed = torch.as_tensor(grad_output, dtype=output.dtype, device=output.device).expand_as(output)
        wanted = [*inputs, *trained.values()]
        grads = torch.autograd.grad(output, wanted, seed, retain_graph=True, allow_unused=True)
        found = {id(one): grad for one, grad in zip(wanted, grads, strict=True)}

    def given(value: Any, tensor: Any) -> Any:
        return with_words(_like(value, found.get(id(tensor))), ctx.words)

    of_inputs = (
        [given(value, tensor) for value, tensor in zip(input_args, tensors, strict=True)],
        {key: given(input_kwargs[key], tensor) for key, tensor in named.items()},
    )
    return of_inputs, {name: grad for name, one in trained.items() if (grad := found.get(id(one))) is not None}


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
