"""The surrogate against independent oracles: finite differences, an enumerable bandit, identities of the clip."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.numeric.loss import (
    cross_entropy,
    divergence,
    importance_ratio,
    negative_entropy,
    policy_loss,
    reference_kl,
)

WAYS: list[dict[str, Any]] = [
    {"kind": kind, "level": level, "tis": tis}
    for kind, level, tis in itertools.product(["clip", "score"], ["token", "sequence"], [None, 2.0])
]


def table(seed: int = 0, rows: int = 4, width: int = 5) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    logprobs = -torch.rand(rows, width, generator=generator, dtype=torch.float64) * 3
    sampler = logprobs + torch.randn(rows, width, generator=generator, dtype=torch.float64) * 0.4
    weights = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    mask = torch.rand(rows, width, generator=generator) > 0.3
    mask[:, 0] = True
    return logprobs, sampler, weights, mask


def central_differences(function: Any, at: torch.Tensor, step: float = 1e-6) -> torch.Tensor:
    """Gradient by central differences."""
    found = torch.zeros_like(at)
    for place in itertools.product(*map(range, at.shape)):
        nudge = torch.zeros_like(at)
        nudge[place] = step
        found[place] = (function(at + nudge) - function(at - nudge)) / (2 * step)
    return found


def gradient(function: Any, at: torch.Tensor) -> torch.Tensor:
    at = at.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(at), at)
    return found


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_clipped_surrogate_has_the_gradient_of_finite_differences(level: Any) -> None:
    logprobs, sampler, weights, mask = table()

    def loss(at: torch.Tensor) -> torch.Tensor:
        return policy_loss(at, sampler, weights, mask, denom=7.0, level=level)

    torch.testing.assert_close(gradient(loss, logprobs), central_differences(loss, logprobs), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("corrected", [True, False])
def test_reference_divergence_has_the_gradient_of_finite_differences(corrected: bool) -> None:
    logprobs, sampler, weights, mask = table()
    reference = sampler + 0.3

    def loss(at: torch.Tensor) -> torch.Tensor:
        ratio = importance_ratio(at, sampler, mask) if corrected else None
        return reference_kl(at, reference, weights, mask, denom=3.0, ratio_BT=ratio)

    torch.testing.assert_close(gradient(loss, logprobs), central_differences(loss, logprobs), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_held_factors_weigh_the_score(way: dict[str, Any]) -> None:
    """Truncated weights are constants: the gradient is weight times ∇ log π, computed here token by token."""
    logprobs, sampler, weights, mask = table(3)
    found = gradient(lambda at: policy_loss(at, sampler, weights, mask, denom=2.0, **way), logprobs)
    gap = torch.where(mask, logprobs - sampler, 0.0)
    chosen = mask.sum(-1, keepdim=True)
    row = (gap.sum(-1, keepdim=True) / chosen).exp().expand_as(gap)
    expected = torch.zeros_like(found)
    for b, t in itertools.product(range(4), range(5)):
        if not mask[b, t]:
            continue
        if way["kind"] == "score":
            ratio = float(gap[b, t].exp() if way["level"] == "token" else row[b, t])
            expected[b, t] = -min(ratio, way["tis"] or math.inf) * weights[b, t] / 2
            continue
        # the clipped surrogate: each token of a row moves the row's ratio, and all of the row's weights hang on it
        members = [t] if way["level"] == "token" else [i for i in range(5) if mask[b, i]]
        for i in members:
            ratio = float(gap[b, i].exp() if way["level"] == "token" else row[b, i])
            weight = float(weights[b, i])
            cut = (weight > 0 and ratio > 1.28) or (weight < 0 and ratio < 0.8)
            slope = 1.0 if way["level"] == "token" else 1.0 / float(chosen[b, 0])
            expected[b, t] += 0.0 if cut else -min(ratio, way["tis"] or math.inf) * weight * slope / 2
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_on_policy_all_variants_are_the_score_function(way: dict[str, Any]) -> None:
    """With ratio 1 nothing is clipped or truncated: every token-level variant has the gradient −w ∇ log π."""
    logprobs, _, weights, mask = table(1)
    if way["level"] == "sequence":
        weights = weights[:, :1].expand_as(weights)  # one advantage per row, as those methods have
    found = gradient(lambda at: policy_loss(at, logprobs, weights, mask, denom=1.0, **way), logprobs)
    torch.testing.assert_close(found, torch.where(mask, -weights, 0.0))


def test_masked_tokens_have_exactly_zero_gradient_whatever_stands_there() -> None:
    logprobs, sampler, weights, mask = table(2)
    broken = torch.where(mask, sampler, torch.nan)
    spoiled = torch.where(mask, weights, torch.inf)
    for way in WAYS:
        found = gradient(lambda at, way=way: policy_loss(at, broken, spoiled, mask, denom=1.0, **way), logprobs)
        assert torch.equal(found[~mask], torch.zeros_like(found[~mask]))
        clean = gradient(lambda at, way=way: policy_loss(at, sampler, weights, mask, denom=1.0, **way), logprobs)
        assert torch.equal(found, clean)
    assert torch.equal(gradient(lambda at: cross_entropy(at, spoiled, mask, denom=1.0), logprobs)[~mask], found[~mask])


@given(st.floats(-1e4, 0), st.floats(-1e4, 0), st.floats(-5, 5))
def test_absurd_records_stay_finite(policy: float, sampler: float, weight: float) -> None:
    mask = torch.ones(1, 1, dtype=torch.bool)
    at = torch.full((1, 1), policy)
    for way in WAYS:
        found = gradient(
            lambda x, way=way: policy_loss(
                x, torch.full((1, 1), sampler), torch.full((1, 1), weight), mask, denom=1.0, **way
            ),
            at,
        )
        assert torch.isfinite(found).all()


def test_gradient_on_a_bandit_is_that_of_its_expected_reward() -> None:
    """Three arms, sampled by another policy: summed over all arms, the surrogate's gradient is exactly ∇ E[r]."""
    theta = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    reward = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    behaviour = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    (exact,) = torch.autograd.grad(torch.softmax(theta, 0) @ reward, theta)
    mask = torch.ones(3, 1, dtype=torch.bool)
    for kind in ("clip", "score"):
        logprobs = torch.log_softmax(theta, 0)[:, None]
        wide = {"eps": (1.0, 1e9)}  # no clipping, so the estimate is unbiased
        loss = policy_loss(
            logprobs, behaviour.log()[:, None], (behaviour * reward)[:, None], mask, denom=1.0, kind=kind, **wide
        )
        (found,) = torch.autograd.grad(loss, theta)
        torch.testing.assert_close(-found, exact)


def test_corrected_divergence_has_the_gradient_of_the_true_one() -> None:
    """Over all arms, from samples of another policy: ∇ KL(π‖ref)."""
    theta = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.tensor([1.0, 0.0, -1.0], dtype=torch.float64), 0)
    behaviour = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    mask = torch.ones(3, 1, dtype=torch.bool)
    logprobs = torch.log_softmax(theta, 0)
    (exact,) = torch.autograd.grad((logprobs.exp() * (logprobs - reference)).sum(), theta)
    at = torch.log_softmax(theta, 0)[:, None]
    ratio = importance_ratio(at, behaviour.log()[:, None], mask)
    loss = reference_kl(at, reference[:, None], behaviour[:, None], mask, denom=1.0, ratio_BT=ratio)
    (found,) = torch.autograd.grad(loss, theta)
    torch.testing.assert_close(found, exact)


def test_negative_entropy_has_the_value_and_the_gradient_of_the_true_one() -> None:
    """Over all arms, from samples of another policy: Σ π log π and its gradient."""
    theta = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    behaviour = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    mask = torch.ones(3, 1, dtype=torch.bool)
    logprobs = torch.log_softmax(theta, 0)
    true = (logprobs.exp() * logprobs).sum()
    (exact,) = torch.autograd.grad(true, theta)
    at = torch.log_softmax(theta, 0)[:, None]
    ratio = importance_ratio(at, behaviour.log()[:, None], mask)
    loss = negative_entropy(at, ratio, behaviour[:, None], mask, denom=1.0)
    (found,) = torch.autograd.grad(loss, theta)
    torch.testing.assert_close(loss, true)
    torch.testing.assert_close(found, exact)


def test_divergence_is_zero_where_nothing_moved_and_positive_elsewhere() -> None:
    logprobs, sampler, _, mask = table(4)
    assert divergence(logprobs, logprobs, mask).item() == 0
    assert divergence(logprobs, sampler, mask).item() > 0
