"""Rows of random tokens, and small models to train on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from local_models import tiny_module

from training.numeric.rows import Row

VOCABULARY = 60


def make_rows(
    groups: int = 3,
    members: int = 4,
    *,
    prompt: int = 7,
    action: int = 6,
    dead: int = 0,
    seed: int = 0,
    holes: bool = True,
) -> list[Row]:
    """Groups of rows with one prompt each; the first `dead` groups have advantage 0. Holes are masked tokens."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for group in range(groups):
        prompt_ids = rng.integers(4, VOCABULARY, prompt + group).astype(np.int32)
        for _ in range(members):
            length = int(rng.integers(2, action + 1))
            mask = np.ones(length, np.bool_)
            if holes and length > 3:
                mask[1] = False
            reward = float(rng.normal())
            rows.append(
                Row(
                    prompt_ids=prompt_ids,
                    action_ids=rng.integers(4, VOCABULARY, length).astype(np.int32),
                    sampler_logprobs=np.where(mask, rng.normal(-4, 0.5, length), 0).astype(np.float32),
                    mask=mask,
                    reward=reward,
                    advantage=0.0 if group < dead else reward,
                    group=(f"task {group}", group, "v", "agent", 0),
                    agent="agent",
                    trajectory=f"{len(rows)}",
                    episode=f"{len(rows)}",
                )
            )
    return rows


def flat_gradient(module: torch.nn.Module) -> torch.Tensor:
    """All gradients as one vector."""
    return torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])


def double_module(kind: str = "llama") -> Any:
    """A tiny model in float64, all of whose parameters are trained."""
    return tiny_module(kind, dtype=torch.float64).eval()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Relative distance of two gradients."""
    return float((one - other).norm() / other.norm())


class NoScores:
    """For algorithms that ask for no log-probabilities."""

    def current(self) -> Any:
        raise AssertionError("not asked for")

    reference = teacher = told = current


class GivenScores(NoScores):
    """Log-probabilities that a test has chosen."""

    def __init__(
        self,
        current: Sequence[Any] = (),
        reference: Sequence[Any] = (),
        teacher: Sequence[Any] = (),
        told: Sequence[bool] = (),
    ) -> None:
        self._given = {
            "current": tuple(current),
            "reference": tuple(reference),
            "teacher": tuple(teacher),
            "told": tuple(told),
        }

    def current(self) -> Any:
        return self._given["current"]

    def reference(self) -> Any:
        return self._given["reference"]

    def teacher(self) -> Any:
        return self._given["teacher"]

    def told(self) -> Any:
        return self._given["told"]
