"""Algorithms fill weights: shares in the mean, signs, and what is imitated."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numeric_rows import GivenScores, NoScores, distance, double_module, flat_gradient, make_rows

from training.numeric.algorithms import ALGORITHMS
from training.numeric.algorithms.dpo import pairs
from training.numeric.batch import micro_batches, step_loss
from training.numeric.forward import Forward
from training.numeric.groups import advantages
from training.numeric.rows import Row
from training.numeric_config import AlgorithmName, NumericConfig

POLICY_GRADIENT = ["reinforce", "rloo", "grpo", "dr_grpo", "dapo", "ppo", "cispo", "gspo"]


def rewarded(*rewards: float, groups: int = 1) -> list[Row]:
    rows = make_rows(groups=groups, members=len(rewards) // groups, holes=False)
    return [replace(row, reward=reward, advantage=reward) for row, reward in zip(rows, rewards, strict=True)]


def kept(algorithm: AlgorithmName, rows: list[Row], **settings: Any) -> list[int]:
    weights = ALGORITHMS[algorithm].fill(rows, NumericConfig(**settings), NoScores())
    assert weights.ce is not None
    assert weights.ce.denom == max(1, sum(len(rows[i].mask) for i in weights.live(len(rows))))
    return list(weights.live(len(rows)))


def test_every_name_has_an_algorithm() -> None:
    assert set(ALGORITHMS) == set(AlgorithmName.__args__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", POLICY_GRADIENT)
def test_credit_scales_and_never_turns_a_sign(name: str) -> None:
    plain = make_rows(seed=3)
    credited = [replace(row, weights=np.linspace(0, 2, len(row.mask), dtype=np.float32)) for row in plain]
    config = NumericConfig()
    without = ALGORITHMS[name].fill(plain, config, NoScores()).rl
    with_it = ALGORITHMS[name].fill(credited, config, NoScores()).rl
    assert without is not None
    assert with_it is not None
    assert with_it.denom == without.denom
    for row, one, other in zip(credited, without.weights, with_it.weights, strict=True):
        np.testing.assert_allclose(other, one * row.weights, rtol=1e-6)
        assert np.all(one * other >= 0)
        assert not other[~row.mask].any()


@pytest.mark.parametrize(
    ("name", "share", "denom"),
    [
        ("reinforce", lambda row: 1.0, lambda rows: len(rows)),
        ("rloo", lambda row: 1.0, lambda rows: len(rows)),
        ("grpo", lambda row: 1 / row.mask.sum(), lambda rows: len(rows)),
        ("gspo", lambda row: 1 / row.mask.sum(), lambda rows: len(rows)),
        ("dr_grpo", lambda row: 1.0, lambda rows: len(rows) * 50),
        ("dapo", lambda row: 1.0, lambda rows: sum(row.mask.sum() for row in rows)),
        ("ppo", lambda row: 1.0, lambda rows: sum(row.mask.sum() for row in rows)),
        ("cispo", lambda row: 1.0, lambda rows: sum(row.mask.sum() for row in rows)),
    ],
)
def test_shares_in_the_mean(name: str, share: Any, denom: Any) -> None:
    rows = make_rows(seed=1)
    filled = ALGORITHMS[name].fill(rows, NumericConfig(max_tokens=50), NoScores()).rl
    assert filled is not None
    assert filled.denom == denom(rows)
    for row, weights in zip(rows, filled.weights, strict=True):
        np.testing.assert_allclose(weights, row.advantage * share(row) * row.mask, rtol=1e-6)


def test_rejection_sampling_keeps_the_best_of_each_group() -> None:
    rows = rewarded(0.0, 3.0, 1.0, 2.0, 5.0, 5.0, 5.0, 5.0, groups=2)
    assert kept("rejection_sampling", rows) == [1]  # a group of equals has no better row
    assert kept("rejection_sampling", rows, keep=2) == [1, 3]


def test_expert_iteration_keeps_successes_up_to_a_bound() -> None:
    rows = rewarded(0.0, 1.0, 1.0, 1.0, 0.5, 0.0, 0.9, 0.0, groups=2)
    assert kept("expert_iteration", rows, keep=2) == [1, 2]
    assert kept("expert_iteration", rows, keep=9, threshold=0.5) == [1, 2, 3, 4, 6]


def test_supervised_learning_imitates_everything() -> None:
    assert kept("sft", rewarded(0.0, -1.0, 5.0)) == [0, 1, 2]


@given(st.floats(-50, 50), st.floats(0.05, 10))
def test_awr_weighs_by_the_exponential_up_to_a_bound(advantage: float, beta: float) -> None:
    (row,) = rewarded(advantage)
    weights = ALGORITHMS["awr"].fill([row], NumericConfig(beta=beta), NoScores()).ce
    assert weights is not None
    expected = 20.0 if advantage / beta > math.log(20) else math.exp(advantage / beta)
    np.testing.assert_allclose(weights.weights[0], np.full(len(row.mask), expected, np.float32), rtol=1e-5, atol=1e-7)


def test_dpo_has_the_gradient_of_its_loss() -> None:
    """The paper's loss, differentiated by torch, against the signed cross-entropy that stands for it."""
    module, rows = double_module(), make_rows(groups=2, members=3, seed=2)
    config, algorithm, forward = NumericConfig(algorithm="dpo", beta=0.3), ALGORITHMS["dpo"], Forward(module)
    rng = np.random.default_rng(0)
    reference = [np.where(row.mask, rng.normal(-4, 1, len(row.mask)), 0).astype(np.float32) for row in rows]
    (batch,) = micro_batches(rows, range(len(rows)), config, forward)

    logprobs_BT = batch.logprobs(forward)
    gap_B = (logprobs_BT - batch.pad(tuple(reference), logprobs_BT)).sum(1)
    slot = {index: b for b, index in enumerate(batch.rows)}
    margins = torch.stack([gap_B[slot[best]] - gap_B[slot[worst]] for best, worst in pairs(rows)])
    (-torch.nn.functional.logsigmoid(0.3 * margins)).mean().backward()
    expected = flat_gradient(module)

    module.zero_grad()
    values = logprobs_BT.detach().numpy()
    current = [values[slot[i], : len(row.mask)] for i, row in enumerate(rows)]
    weights = algorithm.fill(rows, config, GivenScores(current=current, reference=reference))
    step_loss(batch.logprobs(forward), batch, weights, algorithm, config).backward()
    assert distance(flat_gradient(module), expected) < 1e-6
    assert len(weights.live(len(rows))) == 4  # the middle row of each group is in no pair


def test_self_distillation_learns_where_the_critic_said_something() -> None:
    rows = make_rows(groups=1, members=3)
    scores = GivenScores(teacher=[row.sampler_logprobs for row in rows], told=[False, True, False])
    weights = ALGORITHMS["self_distillation"].fill(rows, NumericConfig(), scores)
    assert weights.live(3) == (1,)
    assert weights.ref_kl is not None
    assert weights.ref_kl.denom == rows[1].mask.sum()


def test_equal_returns_give_no_gradient_to_any_algorithm_that_compares() -> None:
    rows = advantages(rewarded(1.0, 1.0, 1.0)).rows
    for name in ("rloo", "grpo", "dr_grpo", "dapo", "ppo", "cispo", "gspo", "rejection_sampling", "dpo"):
        assert ALGORITHMS[name].fill(rows, NumericConfig(), NoScores()).live(3) == ()
