"""Several processes that train one adapter: each computes a share of a step, and sums are over all of them.

Every process is given the same episodes, so that denominators are those of the whole step; gradients are summed, and
all take the same optimizer step. Without `torch.distributed` there is one process, and nothing happens here.
"""

# The types that torch leaves open.
# pyright: reportUnknownMemberType=false
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


def share(items: Sequence[T]) -> Sequence[T]:
    """This process's part of some work."""
    return items[dist.get_rank() :: dist.get_world_size()] if _several() else items


def sum_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by the sum over processes."""
    if not _several():
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)


def sum_numbers(values: torch.Tensor) -> torch.Tensor:
    """The sum over processes of a tensor of numbers."""
    if _several():
        values = values.clone()
        dist.all_reduce(values)
    return values


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
