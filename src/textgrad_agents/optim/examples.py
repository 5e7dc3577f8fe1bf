"""Examples: what was asked, what was answered and how good it was, as optimizers that need no gradient read it."""

from __future__ import annotations

from dataclasses import dataclass

from textgrad_agents.trajectory import Trajectory
from textgrad_agents.transitions import Trajectory as Rollout


@dataclass(frozen=True, slots=True)
class Example:
    """One answer with its worth.

    Attributes:
        query: what was asked or observed.
        output: the answer.
        value: how good it was (of a step: the discounted sum of the rewards from there on).
    """

    query: str
    output: str
    value: float


def examples_of(trajectory: Trajectory | Rollout, discount: float) -> list[Example]:
    """One example per step, in order; steps whose reward nobody scored count as 0 and give no example of their own.

    A rollout gives the examples of its record; one that failed gives none.
    """
    if isinstance(trajectory, Rollout):
        if trajectory.failed:
            return []
        trajectory = trajectory.record()
    examples: list[Example] = []
    value = 0.0
    for step in reversed(trajectory.steps):
        value = discount * value + (step.reward or 0.0)
        if step.reward is not None:
            examples.append(Example(step.observation, step.reply or step.action_name, value))
    return examples[::-1]
