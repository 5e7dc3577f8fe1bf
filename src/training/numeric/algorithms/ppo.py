"""PPO's clipped surrogate from the recorded log-probabilities, without a value network.

Schulman et al. 2017 (arXiv 1707.06347), equation 7, as a mean over tokens. The baseline is the group's mean; with
`returns="to_go"` and groups per time step it is the mean over sibling episodes.
"""

from __future__ import annotations

from training.numeric.algorithms.dapo import fill
from training.numeric.components import Algorithm

PPO = Algorithm("ppo", fill, baseline="group_mean")
