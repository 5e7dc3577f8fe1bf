"""Automatic prompt engineering for an agent's prompt, from what its outputs earned or from numeric gradients."""

from __future__ import annotations

from typing import Any, Literal, Self

from textgrad_agents.agents import Agent
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.ops.base import Op
from textgrad_agents.ops.parameters import PromptOp
from textgrad_agents.optim.ape import APE
from textgrad_agents.optim.examples import Example
from textgrad_agents.trajectory import Trajectory
from textgrad_agents.transitions import Trajectory as Rollout
from textgrad_agents.transitions.transition import calls_of
from textgrad_agents.variables.call import OpCall
from textgrad_agents.variables.variable import Variable


class APEOpt(APE):
    """`APE` for the prompt of a `PromptOp`.

    Args:
        prompt_op: its prompt is rewritten.
        llm_call_op: by gradient, outputs of this op are the examples; those of every call of a model if None.
        score_fn: what an output is worth. ``"reward"``: what it earned. ``"gradient"``: minus the size of the number
            that a backward pass wrote for the prompt that it was made from, so that 0 is good; for losses of numbers.
        good_reward_threshold: by reward, an output that earned at least this much is good.
        max_examples: most good, and most bad, examples in a request.
        reward_discount: of later rewards in what an output earned.
        engine: who writes; the session's optimizer engine if None.
    """

    def __init__(
        self,
        prompt_op: PromptOp,
        *,
        llm_call_op: Op | None = None,
        score_fn: Literal["reward", "gradient"] = "reward",
        good_reward_threshold: float = 1.0,
        max_examples: int = 50,
        reward_discount: float = 1.0,
        engine: Engine | None = None,
    ) -> None:
        if score_fn not in ("reward", "gradient"):
            raise ConfigError(f"score_fn must be 'reward' or 'gradient', got {score_fn!r}")
        super().__init__(
            prompt_op.prompt,
            good_reward=good_reward_threshold if score_fn == "reward" else 0.0,
            engine=engine,
            max_examples=max_examples,
            discount=reward_discount,
        )
        self._prompt_op = prompt_op
        self._llm_call_op = llm_call_op
        self._by_gradient = score_fn == "gradient"

    @classmethod
    def from_agent(cls, agent: Agent[Any], **settings: Any) -> Self:
        """For the first prompt of an agent.

        Raises:
            ConfigError: the agent has no prompt.
        """
        for _, op in agent.named_ops():
            if isinstance(op, PromptOp) and op.prompt.requires_grad:
                return cls(op, **settings)
        raise ConfigError(f"{type(agent).__name__} has no PromptOp; {cls.__name__} rewrites the prompt of one")

    def aggregate_trajectory(self, trajectory: Trajectory | Rollout) -> None:
        """Take in every step that has a score.

        Raises:
            ConfigError: it goes by gradient, and this is a record without a graph.
        """
        if not self._by_gradient:
            super().aggregate_trajectory(trajectory)
            return
        if not isinstance(trajectory, Rollout):
            raise ConfigError("score_fn='gradient' learns from rollouts with their graph, not from records")
        for step in trajectory.steps:
            if step.action is not None and not trajectory.failed:
                self._add_outputs(step.action)

    def _add_outputs(self, action: Variable[Any]) -> None:
        """Take in the outputs that one action was made from, each with the error that reached its prompt."""
        run = calls_of(action)
        for prompt in action.get_upstream_results(self._prompt_op):
            if prompt.call not in run or prompt.grad is None:
                continue
            for output in action.traverse(filter_fn=self._is_output):
                call = output.call
                if call in run and prompt in output.get_upstream_results(self._prompt_op):
                    self.add(Example(_asked(call), str(output.value), -abs(float(prompt.grad))))

    def _is_output(self, one: Variable[Any]) -> bool:
        if one.call is None or one.call.get("completion") is None:
            return False
        return self._llm_call_op is None or one.call.op is self._llm_call_op


def _asked(call: OpCall) -> str:
    """What a model was asked: the first message of its user."""
    return next((message.text for message in call.get("messages", ()) if message.role == "user"), "")
