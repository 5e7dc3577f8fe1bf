"""Settings of the numeric learner: one table, with the defaults that held up in measurements."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Returns = Literal["episode", "to_go"]
Baseline = Literal["group_mean", "leave_one_out", "grpo_std", "none", "ema"]
CreditName = Literal["steps", "agents", "near_more", "near_only"]
AlgorithmName = Literal[
    "reinforce",
    "rloo",
    "grpo",
    "dr_grpo",
    "dapo",
    "ppo",
    "cispo",
    "gspo",
    "sft",
    "rejection_sampling",
    "expert_iteration",
    "awr",
    "dpo",
    "self_distillation",
]
Kind = Literal["clip", "score"]
Level = Literal["token", "sequence"]
LayoutName = Literal["padded", "packed", "shared"]


class NumericConfig(BaseModel):
    """What a `LoraLearner` is told.

    Attributes:
        rank: rank of the adapter that a run trains.
        alpha: the adapter's update is scaled by ``alpha / rank``.
        algorithm: which file of `training.numeric.algorithms` fills the weights.
        lr: learning rate of AdamW; adapters want about ten times that of full weights.
        betas: decay rates of AdamW's two moments.
        weight_decay: decoupled weight decay.
        grad_clip: greatest norm of the gradient of one adapter.
        updates_per_batch: optimizer steps per batch, all from the recorded log-probabilities.
        eps_low: clip range of the ratio below 1.
        eps_high: clip range above 1.
        tis: greatest importance weight of a token, None for no bound.
        kl: coefficient of the divergence from the model without its adapter; 0 computes none.
        entropy: coefficient of the entropy of each token's distribution, a bonus for trying things; in units of the
            advantage, 0 computes none. It belongs to the policy-gradient algorithms.
        kl_stop: a batch is left once the policy has moved this far on it, nats per token.
        max_staleness: rows older than this many versions of weights or prompts are dropped.
        baseline: what the return is compared with, None for the algorithm's own choice.
        credit: name of the critic credit that weighs tokens, None for none.
        discount: γ of reward-to-go.
        returns: a row is credited with the return of its episode or with its reward-to-go.
        max_tokens: longest action in tokens; Dr. GRPO's constant denominator.
        threshold: rewards of at least this much are successes (expert iteration).
        keep: how many rows of a group are imitated (rejection sampling, expert iteration).
        beta: temperature of advantages (AWR) or of log-ratios (DPO).
        layout: one row per sequence, several per sequence, or each prompt once with all its actions.
        token_budget: tokens of one forward pass, padding included; a longer row has a pass of its own.
        gradient_checkpointing: compute activations twice instead of keeping them.
        seed: root of the seeds of new adapters.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=8, ge=1)
    alpha: int = Field(default=16, ge=1)
    algorithm: AlgorithmName = "dr_grpo"
    lr: float = Field(default=1e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    grad_clip: float = Field(default=1.0, gt=0)
    updates_per_batch: int = Field(default=2, ge=1)
    eps_low: float = Field(default=0.2, gt=0, le=1)
    eps_high: float = Field(default=0.28, gt=0)
    tis: float | None = Field(default=2.0, ge=1)
    kl: float = Field(default=0.0, ge=0)
    entropy: float = Field(default=0.0, ge=0)
    kl_stop: float = Field(default=0.02, gt=0)
    max_staleness: int = Field(default=4, ge=0)
    baseline: Baseline | None = None
    credit: CreditName | None = None
    discount: float = Field(default=1.0, ge=0, le=1)
    returns: Returns = "episode"
    max_tokens: int = Field(default=512, ge=1)
    threshold: float = 1.0
    keep: int = Field(default=1, ge=1)
    beta: float = Field(default=0.1, gt=0)
    layout: LayoutName = "shared"
    token_budget: int = Field(default=4096, ge=1)
    gradient_checkpointing: bool = False
    seed: int = 0

    @property
    def reads_judgements(self) -> bool:
        """True if what critics say is part of the update."""
        return self.credit in ("steps", "agents") or self.algorithm == "self_distillation"
