"""The optimizer steps of one adapter on one batch of rows.

At most `updates_per_batch` steps, each from the recorded log-probabilities. A step whose loss or gradient is not finite
is not taken; the batch is left once the policy has moved `kl_stop` nats per token on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from textgrad_agents.engines.local import LocalModel
from training.numeric.batch import MicroBatch, micro_batches, step_loss
from training.numeric.components import Algorithm, Weights
from training.numeric.forward import Forward
from training.numeric.loss import divergence
from training.numeric.ranks import share, sum_gradients, sum_numbers
from training.numeric.rows import Row
from training.numeric.scores import ModelScores
from training.numeric_config import NumericConfig


@dataclass(slots=True)
class Outcome:
    """What the steps on one batch did.

    Attributes:
        steps: optimizer steps taken.
        skipped: rows without a gradient, which were not computed.
        stopped: True if the batch was left because the policy had moved too far.
        broken: True if a step was not taken because its loss or gradient was not finite.
        metrics: loss, gradient norm, importance weights and movement, by name.
    """

    steps: int = 0
    skipped: int = 0
    stopped: bool = False
    broken: bool = False
    metrics: dict[str, float] = field(default_factory=dict[str, float])


class Descent:
    """AdamW on one adapter.

    Args:
        model: the model.
        adapter: name of the adapter.
        algorithm: fills the weights.
        config: settings.
    """

    def __init__(self, model: LocalModel, adapter: str, algorithm: Algorithm, config: NumericConfig) -> None:
        self.adapter = adapter
        self.named = dict(model.trainable(adapter))
        self.optimizer = torch.optim.AdamW(
            self.named.values(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay
        )
        self._model, self._algorithm, self._config = model, algorithm, config

    def run(self, rows: Sequence[Row], hints: Sequence[str]) -> Outcome:
        """Take the steps of one batch."""
        config, outcome = self._config, Outcome()
        scores = ModelScores(self._model, self.adapter, rows, hints, config)
        weights = self._algorithm.fill(rows, config, scores)
        live = weights.live(len(rows))
        outcome.skipped = len(rows) - len(live)
        if not live:
            return outcome
        with self._model.use(self.adapter):
            forward = Forward(self._model.module)
            batches = share(micro_batches(rows, live, config, forward))
            first: list[Tensor] = []
            for update in range(config.updates_per_batch):
                if update and self._algorithm.refill:
                    weights = self._algorithm.fill(rows, config, scores)
                with forward.recomputing(config.gradient_checkpointing):
                    moved = self._accumulate(forward, batches, weights, first, outcome, again=update > 0)
                outcome.stopped = moved > config.kl_stop
                outcome.broken = not math.isfinite(outcome.metrics["loss"] + outcome.metrics["grad_norm"])
                if not (outcome.stopped or outcome.broken):
                    self.optimizer.step()  # pyright: ignore[reportUnknownMemberType]
                    outcome.steps += 1
                self.optimizer.zero_grad()
                if outcome.stopped or outcome.broken:
                    break
        return outcome

    def _accumulate(
        self,
        forward: Forward,
        batches: Sequence[MicroBatch],
        weights: Weights,
        first: list[Tensor],
        outcome: Outcome,
        *,
        again: bool,
    ) -> float:
        """Sum the gradient over micro-batches and processes, clip it; how far the policy has moved on this batch."""
        sums = torch.zeros(5, dtype=torch.float64)  # loss, movement, tokens, ratios, squared ratios
        for number, batch in enumerate(batches):
            logprobs_BT = batch.logprobs(forward)
            loss = step_loss(logprobs_BT, batch, weights, self._algorithm, self._config)
            cast(Any, loss).backward()
            if not again:
                first.append(logprobs_BT.detach())
            sums += _sums(loss, logprobs_BT, first[number], batch)
        sum_gradients(self.named.values())
        sums = sum_numbers(sums)
        loss, movement, tokens, ratios, squares = map(float, sums)
        norm = torch.nn.utils.clip_grad_norm_(self.named.values(), self._config.grad_clip)
        outcome.metrics.update(loss=loss, grad_norm=float(norm), kl=movement / max(1.0, tokens))
        if not again:
            outcome.metrics.update(ratio=ratios / max(1.0, tokens), ess=ratios**2 / max(1e-12, squares * tokens))
        return outcome.metrics["kl"]


def _sums(loss: Tensor, logprobs_BT: Tensor, first_BT: Tensor, batch: MicroBatch) -> Tensor:
    with torch.no_grad():
        gap_BT = (logprobs_BT - batch.sampler_BT)[batch.mask_BT].clamp(-20, 20).double()
        moved = divergence(logprobs_BT, first_BT, batch.mask_BT)
        return torch.stack(
            [
                loss.double(),
                moved.double(),
                batch.mask_BT.sum().double(),
                gap_BT.exp().sum(),
                (2 * gap_BT).exp().sum(),
            ]
        ).cpu()
