"""Memory optimizer: what went well is stored, so that agents with a memory find it again."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable

from textgrad_agents.errors import ConfigError
from textgrad_agents.optim.base import Optimizer
from textgrad_agents.optim.examples import Example, examples_of
from textgrad_agents.optim.proposals import Proposal, StepReport
from textgrad_agents.trajectory import Trajectory
from textgrad_agents.transitions import Trajectory as Rollout


class MemoryOptimizer(Optimizer):
    """Stores examples of good behaviour; it has no parameters and asks no model.

    Args:
        store: takes one example into the memory (sync or async).
        above: examples worth more than this are good.
        discount: of later rewards in an example's value, from 0 to 1.
    """

    def __init__(
        self, store: Callable[[Example], Awaitable[None] | None], *, above: float = 0.0, discount: float = 1.0
    ) -> None:
        if not 0 <= discount <= 1:
            raise ConfigError(f"discount must be from 0 to 1, got {discount}")
        self.parameters = ()
        self._store = store
        self._above = above
        self._discount = discount
        self._waiting: list[Example] = []

    def aggregate_trajectory(self, trajectory: Trajectory | Rollout) -> None:
        """Take in the good steps of a trajectory."""
        self._waiting += [one for one in examples_of(trajectory, self._discount) if one.value > self._above]

    async def propose(self) -> tuple[Proposal, ...]:
        """Nothing: a memory has no value to replace."""
        return ()

    async def astep(self) -> StepReport:
        """Store what was taken in; what is stored is forgotten here, also if a later example cannot be stored."""
        while self._waiting:
            stored = self._store(self._waiting[0])
            if inspect.isawaitable(stored):
                await stored
            del self._waiting[0]
        return StepReport()
