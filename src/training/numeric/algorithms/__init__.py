"""Algorithms: each is a small file that fills weights. This façade imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from training.numeric.algorithms.awr import AWR
from training.numeric.algorithms.cispo import CISPO
from training.numeric.algorithms.dapo import DAPO
from training.numeric.algorithms.dpo import DPO
from training.numeric.algorithms.dr_grpo import DR_GRPO
from training.numeric.algorithms.grpo import GRPO
from training.numeric.algorithms.gspo import GSPO
from training.numeric.algorithms.imitation import EXPERT_ITERATION, REJECTION_SAMPLING
from training.numeric.algorithms.ppo import PPO
from training.numeric.algorithms.reinforce import REINFORCE
from training.numeric.algorithms.rloo import RLOO
from training.numeric.algorithms.self_distillation import SELF_DISTILLATION
from training.numeric.algorithms.sft import SFT
from training.numeric.components import Algorithm

ALGORITHMS: Mapping[str, Algorithm] = {
    one.name: one
    for one in (
        REINFORCE,
        RLOO,
        GRPO,
        DR_GRPO,
        DAPO,
        PPO,
        CISPO,
        GSPO,
        SFT,
        REJECTION_SAMPLING,
        EXPERT_ITERATION,
        AWR,
        DPO,
        SELF_DISTILLATION,
    )
}

__all__ = ["ALGORITHMS"]
