"""Optimizer: proposes new values for parameters from their gradients, and applies what is accepted.

`propose` changes nothing, so a gate can stand between it and `apply`; `step` is both at once. The names of LDP's
optimizers, `aggregate` and `update`, are here too.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from textgrad_agents.errors import ConfigError, ProposalError
from textgrad_agents.optim.proposals import Outcome, Proposal, StepReport
from textgrad_agents.session import current_session
from textgrad_agents.trajectory import Trajectory
from textgrad_agents.transitions import Trajectory as Rollout
from textgrad_agents.variables.variable import Variable

T = TypeVar("T")


class Optimizer(ABC):
    """Base of all optimizers.

    Args:
        parameters: what may be changed; each requires a gradient and is given once.

    Raises:
        ConfigError: there are none, one is given twice, or one requires no gradient.
    """

    def __init__(self, parameters: Iterable[Variable[Any]]) -> None:
        self.parameters = tuple(parameters)
        if not self.parameters:
            raise ConfigError(f"{type(self).__name__} got no parameters; pass the Variables that it may change")
        if len({id(one) for one in self.parameters}) < len(self.parameters):
            raise ConfigError(f"{type(self).__name__} got the same Variable twice; pass each parameter once")
        for one in self.parameters:
            if not one.requires_grad:
                raise ConfigError(f"{one!r} cannot be optimized: it was made with requires_grad=False")

    @abstractmethod
    async def propose(self) -> tuple[Proposal, ...]:
        """One proposal per parameter, in their order. Nothing is changed, and asking again gives the same."""

    def apply(self, proposals: Sequence[Proposal]) -> StepReport:
        """Give the parameters the values that were proposed; other outcomes change nothing.

        Raises:
            ProposalError: a parameter is not this optimizer's, or has another value than when the proposal was made.
        """
        for proposal in proposals:
            self._check(proposal)
        for proposal in proposals:
            if proposal.outcome is Outcome.PROPOSED:
                proposal.parameter.value = proposal.new
        self._remember(proposals)
        return StepReport(tuple(proposals))

    def reject(self, proposals: Sequence[Proposal], reason: str) -> StepReport:
        """Say that proposals were tried and not taken, so that they are not made again; the parameters stay.

        Raises:
            ProposalError: a parameter is not this optimizer's.
        """
        for proposal in proposals:
            self._check_owner(proposal)
        proposals = tuple(one.rejected(reason) if one.outcome is Outcome.PROPOSED else one for one in proposals)
        self._remember(proposals)
        return StepReport(proposals)

    async def astep(self) -> StepReport:
        """Propose and apply."""
        return self.apply(await self.propose())

    def step(self) -> StepReport:
        """The sync form of `astep`.

        Raises:
            PortalError: called inside an async op; use `astep` there.
        """
        return current_session().portal.run(self.astep())

    def zero_grad(self) -> None:
        """Forget all feedback on the parameters."""
        for one in self.parameters:
            one.reset_gradients()

    def aggregate(self, trajectories: Iterable[Trajectory | Rollout]) -> None:
        """Take in what trajectories show, one after the other."""
        for trajectory in trajectories:
            self.aggregate_trajectory(trajectory)

    def aggregate_trajectory(self, trajectory: Trajectory | Rollout) -> None:  # noqa: B027 (a default, not a gap)
        """Take in one trajectory. Optimizers that learn from gradients alone find them on their parameters."""

    async def update(self) -> StepReport:
        """Step, then forget the feedback that the step was made from."""
        report = await self.astep()
        self.zero_grad()
        return report

    def _check(self, proposal: Proposal) -> None:
        self._check_owner(proposal)
        if proposal.outcome is Outcome.PROPOSED and proposal.parameter.value != proposal.old:
            raise ProposalError(f"{proposal.name!r} has changed since the proposal was made; call propose() again")

    def _check_owner(self, proposal: Proposal) -> None:
        if not any(proposal.parameter is one for one in self.parameters):
            raise ProposalError(f"the proposal is about {proposal.name!r}, which is no parameter of this optimizer")

    def _remember(self, proposals: Sequence[Proposal]) -> None:  # noqa: B027 (a default, not a gap)
        """Learn from what became of proposals; subclasses that show past attempts to their model override this."""


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines concurrently, results in order; if one fails, the others are cancelled and its error is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
