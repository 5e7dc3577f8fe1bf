"""Returns: what was earned from a step on."""

from __future__ import annotations

from collections.abc import Sequence


def discounted_returns(rewards: Sequence[float], terminated: Sequence[bool], discount: float = 1.0) -> list[float]:
    """The discounted sum of rewards from each step on (Sutton and Barto, "Reinforcement Learning", equation 3.8).

    Args:
        rewards: reward of each step.
        terminated: True where an episode ends with the step, so that nothing after it counts.
        discount: what a reward is worth one step later, from 0 to 1.

    Raises:
        ValueError: there are not as many flags as rewards.
    """
    returns: list[float] = []
    value = 0.0
    for reward, ended in zip(reversed(rewards), reversed(terminated), strict=True):
        value = reward + (0.0 if ended else discount * value)
        returns.append(value)
    return returns[::-1]
