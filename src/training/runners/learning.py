"""What trainers of agents share: from rollouts to an update of the optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from textgrad_agents.transitions import Trajectory
from textgrad_agents.variables.graph import abackward, acompute_grads
from textgrad_agents.variables.variable import Variable

Loss = Callable[[Trajectory], Variable[Any]]
"""What came of a rollout, as a value in its graph; `ops.RolloutLoss` is one."""


class RolloutOptimizer(Protocol):
    """What trainers need of an optimizer."""

    def aggregate(self, trajectories: Iterable[Any]) -> None:
        """Take in what trajectories show."""
        ...

    async def update(self) -> Any:
        """Change the parameters."""
        ...


async def take_in(optimizer: RolloutOptimizer, trajectories: Sequence[Trajectory], loss: Loss | None) -> None:
    """Write gradients where there is a graph, and let the optimizer take in the trajectories. Failed ones are left out.

    Args:
        optimizer: the optimizer.
        trajectories: the rollouts.
        loss: where a backward in words starts, with a critic; without one, numbers flow from each action, and no model
            is asked.
    """
    sound = [one for one in trajectories if not one.failed]
    for trajectory in sound:
        if loss is not None:
            await abackward(loss(trajectory))
            continue
        for step in trajectory.steps:
            if step.action is not None and step.action.call is not None:
                await acompute_grads(step.action)
    optimizer.aggregate(sound)
