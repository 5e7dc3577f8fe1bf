"""GSPO: GRPO with one importance ratio per row, the geometric mean over its tokens.

Zheng et al. 2025 (arXiv 2507.18071), equations 5 and 7. The paper clips far tighter than token-level methods (3e-4 and
4e-4): set `eps_low` and `eps_high`.
"""

from __future__ import annotations

from training.numeric.algorithms.grpo import fill
from training.numeric.components import Algorithm

GSPO = Algorithm("gspo", fill, baseline="grpo_std", level="sequence")
