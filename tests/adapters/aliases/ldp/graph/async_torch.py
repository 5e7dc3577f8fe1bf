from typing import Any

from textgrad_agents.ops.torch_op import AsyncTorchModule

__all__ = ["AsyncTorchModule", "_get_autocast_context", "async_protect_torch_call"]


def async_protect_torch_call(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("grad modes are torch's own here")


def _get_autocast_context(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("autocast is torch's own here")
