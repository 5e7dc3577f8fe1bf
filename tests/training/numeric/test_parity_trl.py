"""Our loss and gradient are TRL's, for every loss type both have; TRL 1.16 is the oracle, where it is installed."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from local_models import character_tokenizer, tiny_module
from numeric_rows import GivenScores, distance, flat_gradient, make_rows

from training.numeric.algorithms import ALGORITHMS
from training.numeric.batch import micro_batches, step_loss
from training.numeric.components import Component, Weights, ones
from training.numeric.forward import Forward
from training.numeric.rows import Row
from training.numeric_config import NumericConfig

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("trl", minversion="1.16")

pytestmark = pytest.mark.filterwarnings("ignore")

MAX_TOKENS = 9

# TRL's loss type and settings; our algorithm and settings.
CASES: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("grpo", {}, "grpo", {}),
    ("grpo", {"beta": 0.04}, "grpo", {"kl": 0.04}),
    ("grpo", {"delta": None, "importance_sampling_level": "sequence"}, "gspo", {}),
    ("bnpo", {}, "dapo", {}),
    ("dr_grpo", {}, "dr_grpo", {}),
    ("dr_grpo", {"beta": 0.04}, "dr_grpo", {"kl": 0.04}),
    ("dapo", {}, "dapo", {}),
    ("dapo", {"beta": 0.04}, "dapo", {"kl": 0.04}),
    ("cispo", {"epsilon_high": 5.0}, "cispo", {"tis": 5.0}),
]


@pytest.mark.parametrize(("loss_type", "theirs", "algorithm", "ours"), CASES, ids=str)
@pytest.mark.parametrize("layout", ["padded", "shared"])
def test_loss_and_gradient(
    tmp_path: Path, loss_type: str, theirs: dict[str, Any], algorithm: str, ours: dict[str, Any], layout: Any
) -> None:
    from trl_oracle import inputs_of, loss_of, make_trainer

    rows = make_rows(groups=3, members=4, action=MAX_TOKENS, seed=5)
    rng = np.random.default_rng(6)
    module = tiny_module(seed=1).eval()
    forward = Forward(module)
    record = _logprobs(module, rows)
    reference = [_beside(row, one, rng) for row, one in zip(rows, record, strict=True)]
    rows = [replace(row, sampler_logprobs=_beside(row, one, rng)) for row, one in zip(rows, record, strict=True)]

    settings = {"beta": 0.0, "epsilon": 0.2, "epsilon_high": 0.28, "max_completion_length": MAX_TOKENS} | theirs
    trainer = make_trainer(tmp_path, module, character_tokenizer(), loss_type=loss_type, **settings)
    expected = loss_of(trainer, inputs_of(rows, reference if settings["beta"] else None))
    oracle = flat_gradient(trainer.model)

    config = NumericConfig(algorithm=algorithm, max_tokens=MAX_TOKENS, layout=layout, **({"tis": None} | ours))
    way = ALGORITHMS[algorithm]
    weights = way.fill(rows, config, GivenScores(reference=reference))
    loss = torch.zeros(())
    for batch in micro_batches(rows, weights.live(len(rows)), config, forward):
        part = step_loss(batch.logprobs(forward), batch, weights, way, config)
        part.backward()
        loss += part.detach()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    assert distance(flat_gradient(module), oracle) < 1e-6


def test_the_oracle_can_tell_a_wrong_gradient(tmp_path: Path) -> None:
    """The other denominator is far outside of what the tests above let pass."""
    from trl_oracle import inputs_of, loss_of, make_trainer

    rows = make_rows(groups=3, members=4, action=MAX_TOKENS, seed=5)
    module = tiny_module(seed=1).eval()
    trainer = make_trainer(tmp_path, module, character_tokenizer(), loss_type="grpo", beta=0.0)
    loss_of(trainer, inputs_of(rows))
    config, way, forward = NumericConfig(), ALGORITHMS["dapo"], Forward(module)
    (batch,) = micro_batches(rows, range(len(rows)), config, forward)
    share = tuple(np.float32(row.advantage) * one for row, one in zip(rows, ones(rows), strict=True))
    weights = Weights(rl=Component(share, 10.0))
    step_loss(batch.logprobs(forward), batch, weights, way, config).backward()
    assert distance(flat_gradient(module), flat_gradient(trainer.model)) > 0.01


def _logprobs(module: Any, rows: Sequence[Row]) -> list[np.ndarray]:
    """Log-probabilities of the rows' tokens under the model as it is."""
    forward = Forward(module)
    found: list[np.ndarray] = [np.zeros(0)] * len(rows)
    with torch.no_grad():
        for batch in micro_batches(rows, range(len(rows)), NumericConfig(layout="padded"), forward):
            values = batch.logprobs(forward).numpy()
            for b, index in enumerate(batch.rows):
                found[index] = values[b, : len(rows[index].action_ids)]
    return found


def _beside(row: Row, logprobs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Log-probabilities of a policy near by, so that ratios fall on both sides of the clip range."""
    return np.where(row.mask, logprobs + rng.normal(0, 0.3, len(logprobs)), 0).astype(np.float32)
