from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from textgrad_agents.ops.torch_op import AsyncTorchModule, torch_modes

__all__ = ["AsyncTorchModule", "_get_autocast_context", "async_protect_torch_call"]


def async_protect_torch_call(
    function: Callable[..., Any], no_grad: bool = False, **autocast: Any
) -> Callable[..., Awaitable[Any]]:
    async def protected(*args: Any, **kwargs: Any) -> Any:
        with torch_modes(grad=not no_grad, **autocast):
            return function(*args, **kwargs)

    return protected


def _get_autocast_context(dtype: Any, device_type: str) -> AbstractContextManager[None]:
    return torch_modes(grad=True, autocast_dtype=dtype, autocast_device_type=device_type)
