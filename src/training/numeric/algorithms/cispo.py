"""CISPO: the score function with importance weights that are truncated and held constant, so no token is masked.

MiniMax-M1 (arXiv 2506.13585), equations 4 and 5: mean over all tokens, (r − mean)/std; the bound is `tis`.
"""

from __future__ import annotations

from training.numeric.algorithms.dapo import fill
from training.numeric.components import Algorithm

CISPO = Algorithm("cispo", fill, baseline="grpo_std", kind="score")
