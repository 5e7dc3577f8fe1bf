from __future__ import annotations

import asyncio

import pytest

from textgrad_agents.errors import ConfigError, ProposalError
from textgrad_agents.optim import ChainedOptimizer, Example, MemoryOptimizer, Optimizer, Outcome, Proposal
from textgrad_agents.trajectory import Step, Trajectory
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable


class Appending(Optimizer):
    """Appends its mark to its parameter and keeps a log of when it did what."""

    def __init__(self, parameter: Variable[str], mark: str, log: list[str]) -> None:
        super().__init__((parameter,))
        self._mark = mark
        self._log = log

    async def propose(self) -> tuple[Proposal, ...]:
        (one,) = self.parameters
        self._log.append(f"propose {self._mark}")
        await asyncio.sleep(0)
        self._log.append(f"proposed {self._mark}")
        return (Proposal(one, one.value, one.value + self._mark, Outcome.PROPOSED, calls=1),)

    def _remember(self, proposals: object) -> None:
        self._log.append(f"remember {self._mark}")


def two() -> tuple[Variable[str], Variable[str]]:
    return Variable("a", role_description="first"), Variable("b", role_description="second")


def test_steps_run_one_after_the_other() -> None:
    first, second = two()
    log: list[str] = []
    report = ChainedOptimizer(Appending(first, "1", log), Appending(second, "2", log)).step()
    assert (first.value, second.value, report.calls) == ("a1", "b2", 2)
    assert log == ["propose 1", "proposed 1", "remember 1", "propose 2", "proposed 2", "remember 2"]


def test_proposals_are_made_together_and_go_back_to_their_makers() -> None:
    first, second = two()
    log: list[str] = []
    chain = ChainedOptimizer(Appending(first, "1", log), Appending(second, "2", log))
    proposals = asyncio.run(chain.propose())
    assert log == ["propose 1", "propose 2", "proposed 1", "proposed 2"]
    chain.reject(proposals[:1], "worse")
    chain.apply(proposals[1:])
    assert (first.value, second.value) == ("a", "b2")
    stranger = Proposal(Variable("c", role_description="c"), "c", "d", Outcome.PROPOSED)
    with pytest.raises(ProposalError):
        chain.apply([*proposals[:1], stranger])
    assert first.value == "a"


def test_gradients_are_forgotten_and_trajectories_taken_in_everywhere() -> None:
    first, second = two()
    stored: list[Example] = []
    log: list[str] = []
    chain = ChainedOptimizer(Appending(first, "1", log), Appending(second, "2", log), MemoryOptimizer(stored.append))
    for one in chain.parameters:
        one.add_gradient(Gradient("feedback"))
    chain.aggregate([Trajectory("a", (Step(agent="a", timestep=0, observation="o", reply="r", reward=1.0),))])
    asyncio.run(chain.update())
    assert first.gradients == second.gradients == ()
    assert stored == [Example("o", "r", 1.0)]


def test_a_parameter_belongs_to_one_optimizer() -> None:
    first, _ = two()
    with pytest.raises(ConfigError, match="same parameter"):
        ChainedOptimizer(Appending(first, "1", []), Appending(first, "2", []))
    with pytest.raises(ConfigError, match="no optimizers"):
        ChainedOptimizer()
