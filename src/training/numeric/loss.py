"""The surrogate as functions of tensors: policy gradient, cross-entropy, divergence from a reference.

Axes: ``B`` rows, ``T`` action tokens. Log-probabilities are float32 (or float64) and in nats. Every function takes the
weight of each token and the denominator of the whole step, which counts all micro-batches and all processes; so a loss
is additive over rows, and how rows are laid out in batches changes nothing. Where `mask_BT` is False, nothing counts,
whatever stands there, and the gradient is exactly zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.numeric_config import Kind, Level

LOG_RATIO_BOUND = 20.0


def policy_loss(
    logprobs_BT: Tensor,
    sampler_BT: Tensor,
    weights_BT: Tensor,
    mask_BT: Tensor,
    *,
    denom: float,
    kind: Kind = "clip",
    eps: tuple[float, float] = (0.2, 0.28),
    level: Level = "token",
    tis: float | None = None,
) -> Tensor:
    """Policy-gradient surrogate with importance ratios ρ = π/μ against the recorded sampler μ.

    ``clip`` is −min(ρ w, clip(ρ, 1−ε₋, 1+ε₊) w) (PPO, arXiv 1707.06347, equation 7; the two bounds: DAPO, arXiv
    2503.14476, equation 8). It leaves ρ unbounded where w < 0; there a token's gradient counts by at most `tis`.
    ``score`` is −min(ρ, tis) w log π with the ratio held constant: the score function with truncated importance
    weights (Ionides 2008; CISPO, arXiv 2506.13585, equation 4).

    Args:
        logprobs_BT: under the policy that is trained.
        sampler_BT: under the policy that sampled, as recorded.
        weights_BT: advantage of each token times its weight in the mean.
        mask_BT: True where the policy chose the token.
        denom: divides the sum.
        kind: which surrogate.
        eps: the clip range, below and above 1.
        level: ratio of each token, or of each row as the geometric mean over its tokens (GSPO, arXiv 2507.18071,
            equation 7).
        tis: greatest importance weight of a token, None for no bound.
    """
    ratio_BT = importance_ratio(logprobs_BT, sampler_BT, mask_BT, level=level)
    weights_BT = torch.where(mask_BT, weights_BT, 0.0)
    if kind == "score":
        held_BT = ratio_BT.detach() if tis is None else ratio_BT.detach().clamp(max=tis)
        return -(held_BT * weights_BT * torch.where(mask_BT, logprobs_BT, 0.0)).sum() / denom
    clipped_BT = ratio_BT.clamp(1 - eps[0], 1 + eps[1])
    loss_BT = -torch.minimum(ratio_BT * weights_BT, clipped_BT * weights_BT)
    if tis is not None:
        loss_BT = loss_BT * (tis / ratio_BT.detach()).clamp(max=1.0)
    return loss_BT.sum() / denom


def cross_entropy(logprobs_BT: Tensor, weights_BT: Tensor, mask_BT: Tensor, *, denom: float) -> Tensor:
    """−Σ w log π / denom: supervised learning of the recorded tokens."""
    return -(torch.where(mask_BT, weights_BT, 0.0) * torch.where(mask_BT, logprobs_BT, 0.0)).sum() / denom


def reference_kl(
    logprobs_BT: Tensor,
    reference_BT: Tensor,
    weights_BT: Tensor,
    mask_BT: Tensor,
    *,
    denom: float,
    ratio_BT: Tensor | None = None,
) -> Tensor:
    """Divergence of the policy from a reference, estimated at the recorded tokens.

    k = π_ref/π − log(π_ref/π) − 1 is non-negative and unbiased for KL(π‖π_ref) in value (Schulman 2020, "Approximating
    KL divergence"), its gradient is not. Multiplied by ρ it is that of KL(π‖π_ref), also for tokens of an older policy
    (DeepSeek-V3.2, arXiv 2512.02556, section 3.1).

    Args:
        logprobs_BT: under the policy that is trained.
        reference_BT: under the reference.
        weights_BT: weight of each token.
        mask_BT: True where the policy chose the token.
        denom: divides the sum.
        ratio_BT: importance ratios with their gradient (`importance_ratio`), None for tokens of the policy itself.
    """
    gap_BT = _gap(reference_BT, logprobs_BT, mask_BT)
    divergence_BT = gap_BT.exp() - gap_BT - 1
    if ratio_BT is not None:
        divergence_BT = divergence_BT * ratio_BT
    return (torch.where(mask_BT, weights_BT, 0.0) * divergence_BT).sum() / denom


def negative_entropy(
    logprobs_BT: Tensor, ratio_BT: Tensor, weights_BT: Tensor, mask_BT: Tensor, *, denom: float
) -> Tensor:
    """Σ w ρ log π / denom, the negative entropy of the policy, estimated at the recorded tokens.

    E_μ[ρ log π] = E_π[log π] = −H(π), in value and in gradient (Williams and Peng 1991, "Function optimization using
    connectionist reinforcement learning algorithms", section 4: the bonus that keeps a policy trying things).

    Args:
        logprobs_BT: under the policy that is trained.
        ratio_BT: importance ratios with their gradient (`importance_ratio`).
        weights_BT: weight of each token.
        mask_BT: True where the policy chose the token.
        denom: divides the sum.
    """
    known_BT = torch.where(mask_BT, logprobs_BT, 0.0)
    return (torch.where(mask_BT, weights_BT, 0.0) * ratio_BT * known_BT).sum() / denom


def importance_ratio(logprobs_BT: Tensor, sampler_BT: Tensor, mask_BT: Tensor, *, level: Level = "token") -> Tensor:
    """ρ = π/μ of each token, `(B, T)`, or of each row, `(B, 1)`; 1 where the mask is False. Finite for any record."""
    gap_BT = _gap(logprobs_BT, sampler_BT, mask_BT)
    if level == "sequence":
        gap_BT = gap_BT.sum(-1, keepdim=True) / mask_BT.sum(-1, keepdim=True).clamp(min=1)
    return gap_BT.exp()


def divergence(logprobs_BT: Tensor, earlier_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Sum over tokens of ρ − 1 − log ρ: how far the policy has moved from an earlier one, in nats, without gradient."""
    gap_BT = _gap(logprobs_BT.detach(), earlier_BT, mask_BT)
    return (gap_BT.exp() - 1 - gap_BT).sum()


def _gap(above_BT: Tensor, below_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Difference of log-probabilities where the mask is True, within ±20 so that its exponential is finite."""
    known_BT = torch.where(mask_BT, above_BT, 0.0) - torch.where(mask_BT, below_BT, 0.0)
    return known_BT.clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
