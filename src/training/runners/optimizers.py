"""Optimizers of agents, made from the agents themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from textgrad_agents.agents import Agent, MemoryAgent
from textgrad_agents.errors import ConfigError
from textgrad_agents.memory import Memory
from textgrad_agents.ops.base import Op
from textgrad_agents.ops.memory import MemoryOp, memory_of
from textgrad_agents.ops.parameters import PromptOp
from textgrad_agents.optim.base import Optimizer
from textgrad_agents.optim.descent import TextualGradientDescent
from textgrad_agents.optim.proposals import Proposal, StepReport
from textgrad_agents.trajectory import Trajectory
from textgrad_agents.transitions import Trajectory as Rollout
from textgrad_agents.transitions.transition import calls_of
from textgrad_agents.validation import nearest
from textgrad_agents.variables.call import OpCall
from textgrad_agents.variables.variable import Variable
from training.runners.ape import APEOpt


@dataclass(frozen=True, slots=True)
class Remembered:
    """A decision that was made with memories.

    Attributes:
        found: the call that found them.
        output: what was decided.
        value: what it earned from there on.
        metadata: timestep, done and truncated of the step.
    """

    found: OpCall
    output: Any
    value: float
    metadata: dict[str, Any]


MemoryFactory = Callable[[list[Remembered], str], "Awaitable[Iterable[Memory]]"]
"""Makes memories of decisions and of the template that memories are written in."""


async def one_each(decisions: list[Remembered], template: str) -> list[Memory]:
    """A memory of each decision."""
    return [memory_of(one.found, one.output, one.value, template=template, **one.metadata) for one in decisions]


class MemoryOpt(Optimizer):
    """Adds what was decided, and what it earned, to the memory that it was decided with. No model is asked.

    Args:
        memory_op: finds the memories.
        output_op: makes the decisions.
        reward_discount: of later rewards in what a decision earned, from 0 to 1.
        memory_factory: makes memories of decisions; one of each by default.
        memory_template: how the memories are written in words.

    Attributes:
        example_buffer: decisions that wait for the next update.
        steps: updates made.
    """

    def __init__(
        self,
        memory_op: MemoryOp,
        output_op: Op,
        reward_discount: float = 1.0,
        memory_factory: MemoryFactory = one_each,
        memory_template: str = "Input: {input}\nOutput: {output}\nReward: {value}",
    ) -> None:
        self.parameters = ()
        self.memory_op = memory_op
        self.output_op = output_op
        self.reward_discount = reward_discount
        self.memory_factory = memory_factory
        self.memory_template = memory_template
        self.example_buffer: list[Remembered] = []
        self.steps = 0

    @classmethod
    def from_agent(cls, agent: Agent[Any], **settings: Any) -> Self:
        """For the memory of an agent.

        Raises:
            ConfigError: the agent has no memory.
        """
        ops = dict(agent.named_ops())
        memory_op, output_op = ops.get("_memory_op"), ops.get("_llm_call_op")
        if not isinstance(memory_op, MemoryOp) or output_op is None:
            raise ConfigError(f"{type(agent).__name__} has no memory; {cls.__name__} is for a MemoryAgent")
        return cls(memory_op, output_op, **settings)

    def aggregate_trajectory(self, trajectory: Trajectory | Rollout) -> None:
        """Take in the decisions of a rollout that did not fail.

        Raises:
            ConfigError: it is a record without a graph.
        """
        if not isinstance(trajectory, Rollout):
            raise ConfigError(f"{type(self).__name__} learns from rollouts with their graph, not from records")
        if trajectory.failed:
            return
        returns = trajectory.compute_discounted_returns(self.reward_discount)
        for step, value in zip(trajectory.steps, returns, strict=True):
            if step.action is not None and self._wanted(value):
                facts = {"timestep": step.timestep, "done": step.done, "truncated": step.truncated}
                self.example_buffer += self._decisions(step.action, value, facts)

    def _wanted(self, value: float) -> bool:
        """Whether decisions that earned so much are remembered."""
        return True

    def _decisions(self, action: Variable[Any], value: float, facts: dict[str, Any]) -> list[Remembered]:
        outputs = action.get_upstream_results(self.output_op)
        run = [one for one in outputs if one.call is not None and one.call in calls_of(action)]
        return [
            Remembered(found.call, output.value, value, facts)
            for output in run
            for found in output.get_upstream_results(self.memory_op)
            if found.call is not None
        ]

    async def propose(self) -> tuple[Proposal, ...]:
        """Nothing: a memory has no value to replace."""
        return ()

    async def astep(self) -> StepReport:
        """Add the memories, and forget the decisions that they were made of."""
        for memory in await self.memory_factory(list(self.example_buffer), self.memory_template):
            await self.memory_op.memory_model.add_memory(memory)
        self.example_buffer.clear()
        self.steps += 1
        return StepReport()


class PositiveMemoryOpt(MemoryOpt):
    """Remembers only what earned more than nothing."""

    def _wanted(self, value: float) -> bool:
        return value > 0


class TextualOpt(TextualGradientDescent):
    """`TextualGradientDescent` for all prompts of an agent; for trainers that are given a loss."""

    @classmethod
    def from_agent(cls, agent: Agent[Any], **settings: Any) -> Self:
        """For all prompts of an agent.

        Raises:
            ConfigError: the agent has none.
        """
        return cls(list(agent.parameters().values()), **settings)


OPTIMIZERS: dict[str, Any] = {one.__name__: one for one in (APEOpt, MemoryOpt, PositiveMemoryOpt, TextualOpt)}


class OptimizerConfig(BaseModel):
    """An optimizer as an entry of a config file.

    Attributes:
        optimizer_type: name of its class; None for the one that suits the agent.
        optimizer_kwargs: further arguments.
    """

    model_config = ConfigDict(extra="forbid")

    optimizer_type: str | None = None
    optimizer_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])


def default_optimizer_factory(
    agent: Agent[Any], optimizer_cls: str | type[Optimizer] | None = None, **optimizer_kwargs: Any
) -> Optimizer:
    """An optimizer for an agent.

    Args:
        agent: the agent.
        optimizer_cls: a class of this module or its name; None: `MemoryOpt` for an agent with a memory, `APEOpt` for
            one with a prompt template, `TextualOpt` for any other.
        optimizer_kwargs: further arguments.

    Raises:
        ConfigError: there is no such class, or it does not suit the agent.
    """
    if isinstance(optimizer_cls, str):
        if optimizer_cls not in OPTIMIZERS:
            raise ConfigError(f"no optimizer is called {optimizer_cls!r}; {nearest(optimizer_cls, OPTIMIZERS)}")
        kind: Any = OPTIMIZERS[optimizer_cls]
    elif optimizer_cls is not None:
        kind = optimizer_cls
    elif isinstance(agent, MemoryAgent):
        kind = MemoryOpt
    else:
        kind = APEOpt if any(isinstance(op, PromptOp) for _, op in agent.named_ops()) else TextualOpt
    return kind.from_agent(agent, **optimizer_kwargs)
