"""RLOO: REINFORCE whose baseline is the mean return of the other members of the group.

Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; for language models Ahmadian et al. 2024 (arXiv
2402.14740): a row is one action, so its tokens are summed.
"""

from __future__ import annotations

from training.numeric.algorithms.reinforce import fill
from training.numeric.components import Algorithm

RLOO = Algorithm("rloo", fill, baseline="leave_one_out", kind="score")
