"""The modes that torch keeps per thread, set for one piece of plain code: nothing that is awaited may stand inside."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext

import torch


@contextmanager
def torch_modes(
    *, grad: bool, autocast_dtype: torch.dtype | None = None, autocast_device_type: str = "cpu"
) -> Generator[None]:
    """Torch's grad mode and autocast while the block runs; those before it are back afterwards.

    Args:
        grad: whether torch records what it computes.
        autocast_dtype: what torch computes in where that is safe; None leaves autocast as it is.
        autocast_device_type: the kind of device that this goes for.
    """
    cast = nullcontext() if autocast_dtype is None else torch.autocast(autocast_device_type, dtype=autocast_dtype)
    with torch.set_grad_enabled(grad), cast:
        yield
