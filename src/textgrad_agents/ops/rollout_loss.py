"""RolloutLoss: what came of a rollout, as a function of the actions in it.

Its gradient is what a critic says of each action, in words; from there it goes on to the prompts, memories and tool
arguments that the action was made with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgrad_agents.errors import GraphError
from textgrad_agents.ops.base import Op
from textgrad_agents.ops.feedback import criticised
from textgrad_agents.transitions import Trajectory
from textgrad_agents.variables.call import BackwardContext, CallID, Input
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.variable import Variable

_PURPOSE = "An agent acts in an environment, step by step; the environment answers each action and rewards it."
_INSTRUCTION = (
    "The inputs are the agent's actions in their order; the output tells what it saw, what it did and what it earned. "
    "Say of each action what should have been different, given what could be known then, for the whole rollout to earn "
    "more. Say nothing of an action that was as good as it could be."
)


class RolloutLoss(Op):
    """Tells a rollout in words: ``loss(trajectory)`` is a text to start a backward from.

    Args:
        discount: of later rewards in the return that is told for each step, from 0 to 1.
        instruction: further advice to the critic.
    """

    def __init__(self, *, discount: float = 1.0, instruction: str = "") -> None:
        self._discount = discount
        self._instruction = f"{_INSTRUCTION} {instruction}".strip()

    def __call__(self, trajectory: Trajectory) -> Variable[str]:
        """The rollout in words, with its actions as inputs.

        Raises:
            GraphError: no step of it has an action in the graph (it was played in eval mode, or read from a file).
        """
        actions = [step.action for step in trajectory.steps if step.action is not None]
        if not any(action.requires_grad for action in actions):
            raise GraphError(
                "no action of this trajectory requires a gradient: play it in train mode, with an agent that has "
                "parameters"
            )
        return self.apply((), {"actions": actions, "told": told(trajectory, self._discount)})

    def forward(self, actions: Sequence[Any], told: str) -> str:
        """The rollout in words."""
        return told

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        """Role of the text."""
        return "rollout of an agent and what it earned"

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        """Words from a critic for each action; numbers are zero."""
        return criticised(ctx, purpose=_PURPOSE, instruction=self._instruction)


def told(trajectory: Trajectory, discount: float = 1.0) -> str:
    """A rollout in words: what was seen, done, answered and earned in each step.

    Args:
        trajectory: the rollout.
        discount: of later rewards in the return that is told for each step.
    """
    returns = trajectory.compute_discounted_returns(discount)
    lines: list[str] = []
    for step, value in zip(trajectory.steps, returns, strict=True):
        lines.append(f"Step {step.timestep}\nSeen: {_texts(step.observation)}")
        lines.append(f"Done: {'' if step.action is None else step.action.value}")
        lines.append(f"Answered: {step.metadata.get('exception') or _texts(step.next_observation)}")
        lines.append(f"Earned: {step.reward:g} in this step, {value:g} from here on")
    end = "It came to its end." if trajectory.done and not trajectory.failed else "It did not come to its end."
    return "\n".join([*lines, f"In all it earned {trajectory.total_reward:g}. {end}"])


def _texts(messages: Sequence[Any]) -> str:
    return "\n".join(message.text for message in messages)
