"""Content hashes of weights."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

import torch


def base_hash(module: torch.nn.Module) -> str:
    """SHA-256 of a model's weights, rounded to bfloat16: a model has one hash, in whatever number format it is held."""
    return _hash(module.named_parameters(), torch.bfloat16)


def adapter_hash(weights: Iterable[tuple[str, torch.Tensor]]) -> str:
    """SHA-256 of an adapter's weights as float32."""
    return _hash(weights, torch.float32)


def _hash(weights: Iterable[tuple[str, torch.Tensor]], dtype: torch.dtype) -> str:
    digest = sha256()
    for name, tensor in sorted(weights, key=lambda one: one[0]):
        digest.update(f"{name} {tuple(tensor.shape)} ".encode())
        data = tensor.detach().to("cpu", dtype).contiguous().flatten()
        digest.update(data.view(torch.uint8).numpy().data)
    return digest.hexdigest()
