"""Several optimizers as one."""

from __future__ import annotations

from collections.abc import Sequence

from textgrad_agents.errors import ConfigError
from textgrad_agents.optim.base import Optimizer, together
from textgrad_agents.optim.proposals import Proposal, StepReport
from textgrad_agents.trajectory import Trajectory
from textgrad_agents.transitions import Trajectory as Rollout


class ChainedOptimizer(Optimizer):
    """Steps its optimizers one after the other. Each changes parameters of its own.

    Raises:
        ConfigError: there are none, or two of them have the same parameter.
    """

    def __init__(self, *optimizers: Optimizer) -> None:
        if not optimizers:
            raise ConfigError("ChainedOptimizer got no optimizers")
        self.optimizers = optimizers
        self.parameters = tuple(one for optimizer in optimizers for one in optimizer.parameters)
        if len({id(one) for one in self.parameters}) < len(self.parameters):
            raise ConfigError("two optimizers of a ChainedOptimizer have the same parameter; give each its own")

    async def propose(self) -> tuple[Proposal, ...]:
        """The proposals of all optimizers, made concurrently."""
        proposals = await together(optimizer.propose() for optimizer in self.optimizers)
        return tuple(one for some in proposals for one in some)

    def apply(self, proposals: Sequence[Proposal]) -> StepReport:
        """Each proposal is applied by the optimizer that has its parameter."""
        for one in proposals:
            self._check(one)
        return _joined([optimizer.apply(_of(optimizer, proposals)) for optimizer in self.optimizers])

    def reject(self, proposals: Sequence[Proposal], reason: str) -> StepReport:
        """Each proposal is rejected by the optimizer that has its parameter."""
        for one in proposals:
            self._check_owner(one)
        return _joined([optimizer.reject(_of(optimizer, proposals), reason) for optimizer in self.optimizers])

    async def astep(self) -> StepReport:
        """Step one after the other."""
        return _joined([await optimizer.astep() for optimizer in self.optimizers])

    def aggregate_trajectory(self, trajectory: Trajectory | Rollout) -> None:
        """Every optimizer takes in the trajectory."""
        for optimizer in self.optimizers:
            optimizer.aggregate_trajectory(trajectory)


def _of(optimizer: Optimizer, proposals: Sequence[Proposal]) -> list[Proposal]:
    return [one for one in proposals if any(one.parameter is mine for mine in optimizer.parameters)]


def _joined(reports: Sequence[StepReport]) -> StepReport:
    return StepReport(tuple(one for report in reports for one in report.proposals))
