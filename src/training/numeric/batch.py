"""Batches: rows and their weights as tensors, in micro-batches of a token budget.

Denominators are those of the whole step, so a step is the same whether its rows are computed in one pass or in many,
padded or packed, by one process or by several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.numeric.components import Algorithm, Arrays, Component, Weights
from training.numeric.forward import Forward
from training.numeric.loss import cross_entropy, importance_ratio, negative_entropy, policy_loss, reference_kl
from training.numeric.prefix import Bin, Layout, bins, lay_out, length
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """Rows of one forward pass; axes ``B`` rows, ``T`` action tokens, ``N`` scored tokens.

    Attributes:
        rows: indices of the rows in the step.
        layout: how they stand in sequences.
        mask_BT: True where the policy chose the token.
        sampler_BT: the recorded log-probabilities, 0 elsewhere.
        temperatures_N: of the sampler.
    """

    rows: tuple[int, ...]
    layout: Layout
    mask_BT: Tensor
    sampler_BT: Tensor
    temperatures_N: Tensor

    def logprobs(self, forward: Forward) -> Tensor:
        """Log-probabilities of the chosen tokens, `(B, T)`, 0 elsewhere."""
        values_N = forward.logprobs(self.layout, self.temperatures_N)
        slots = np.zeros(max(self.rows) + 1, np.int64)
        slots[list(self.rows)] = np.arange(len(self.rows))
        b_N = torch.tensor(slots[self.layout.rows_N], device=values_N.device)
        t_N = torch.tensor(self.layout.columns_N, device=values_N.device)
        return values_N.new_zeros(self.mask_BT.shape).index_put((b_N, t_N), values_N)

    def pad(self, arrays: Arrays, like: Tensor) -> Tensor:
        """Per-row arrays of the step as a tensor `(B, T)` of these rows."""
        return _pad([arrays[index] for index in self.rows], self.mask_BT.shape[1]).to(like)


def micro_batches(
    rows: Sequence[Row], indices: Sequence[int], config: NumericConfig, forward: Forward
) -> tuple[MicroBatch, ...]:
    """Lay out the rows at `indices` in passes of at most `config.token_budget` tokens, padding included."""
    passes: list[list[Bin]] = []
    width = 0
    for one in bins(rows, indices, config.layout, config.token_budget, forward.balance):
        size = sum(length(rows, tree) for tree in one)
        if not passes or width * (len(passes[-1]) + 1) > config.token_budget:
            passes.append([])
            width = size  # bins come longest first
        passes[-1].append(one)
    return tuple(_micro_batch(rows, chosen, forward.device) for chosen in passes)


def step_loss(
    logprobs_BT: Tensor, batch: MicroBatch, weights: Weights, algorithm: Algorithm, config: NumericConfig
) -> Tensor:
    """The surrogate of a micro-batch: its share of the step's sum of components."""
    sampler_BT = batch.sampler_BT.to(logprobs_BT)
    loss = logprobs_BT.new_zeros(())
    if weights.rl is not None:
        loss = loss + policy_loss(
            logprobs_BT,
            sampler_BT,
            _weights(batch, weights.rl, logprobs_BT),
            batch.mask_BT,
            denom=weights.rl.denom,
            kind=algorithm.kind,
            eps=(config.eps_low, config.eps_high),
            level=algorithm.level,
            tis=config.tis,
        )
    if weights.ce is not None:
        loss = loss + cross_entropy(
            logprobs_BT, _weights(batch, weights.ce, logprobs_BT), batch.mask_BT, denom=weights.ce.denom
        )
    if weights.ref_kl is not None:
        ratio_BT = importance_ratio(logprobs_BT, sampler_BT, batch.mask_BT, level=algorithm.level)
        loss = loss + reference_kl(
            logprobs_BT,
            batch.pad(weights.ref_kl.target, logprobs_BT),
            _weights(batch, weights.ref_kl, logprobs_BT),
            batch.mask_BT,
            denom=weights.ref_kl.denom,
            ratio_BT=ratio_BT,
        )
    if weights.entropy is not None:
        loss = loss + negative_entropy(
            logprobs_BT,
            importance_ratio(logprobs_BT, sampler_BT, batch.mask_BT),
            _weights(batch, weights.entropy, logprobs_BT),
            batch.mask_BT,
            denom=weights.entropy.denom,
        )
    return loss


def _weights(batch: MicroBatch, component: Component, like: Tensor) -> Tensor:
    return batch.pad(component.weights, like)


def _micro_batch(rows: Sequence[Row], chosen: Sequence[Bin], device: torch.device) -> MicroBatch:
    layout = lay_out(rows, chosen)
    indices = tuple(index for one in chosen for tree in one for index in tree)
    width = max(len(rows[index].action_ids) for index in indices)
    mask_BT = _pad([rows[index].mask for index in indices], width).to(device)
    sampler_BT = _pad([np.where(rows[i].mask, rows[i].sampler_logprobs, 0) for i in indices], width).to(device)
    temperatures = np.array([row.temperature or 1.0 for row in rows], np.float32)[layout.rows_N]
    return MicroBatch(indices, layout, mask_BT, sampler_BT, torch.tensor(temperatures, device=device))


def _pad(arrays: Sequence[np.ndarray], width: int) -> Tensor:
    padded = np.zeros((len(arrays), width), arrays[0].dtype)
    for b, array in enumerate(arrays):
        padded[b, : len(array)] = array
    return torch.as_tensor(padded)
