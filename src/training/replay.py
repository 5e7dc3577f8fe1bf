"""Replay: a recorded episode as a value in the graph, without calling a model again.

The policies that acted are the inputs, the return is the value. Its gradients are the credits in the record: what the
critic said of an agent is the gradient of that agent's policy, and of no other.
"""

from __future__ import annotations

from typing import Any

from textgrad_agents.ops.base import FxnOp, Grads, Op
from textgrad_agents.seeds import text_hash
from textgrad_agents.trajectory import Credit, Episode
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.graph import BackwardContext, CallID


class Replay(Op):
    """An episode as a function of the policies that acted in it.

    Args:
        episode: the record, judged.
        origin: who judged, for the gradients.
    """

    name = "episode"

    def __init__(self, episode: Episode, origin: str) -> None:
        self._episode = episode
        self._origin = origin

    def forward(self, **policies: str) -> float:
        """The return; the record holds what the policies did."""
        return self._episode.total_reward

    async def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Grads:
        """Each policy's gradient is what the critic said of its agent; an agent it said nothing of gets none."""
        return [], {agent: self._gradients(agent, policy) for agent, policy in input_kwargs.items()}

    def _gradients(self, agent: str, policy: str) -> tuple[Gradient, ...] | None:
        """One gradient per judge: what is said of all, then of single cycles."""
        said: dict[str, list[str]] = {}
        for credit in self._episode.credits:
            if credit.agent == agent:
                said.setdefault(credit.source, []).append(_told(credit))
        who = "the policy" if self._acted(agent, policy) else "an earlier policy"
        used_as = f"{who} that acted in episode {self._episode.episode_id}"
        return (
            tuple(Gradient("\n".join(texts), origin=self._origin, used_as=used_as) for texts in said.values()) or None
        )

    def _acted(self, agent: str, policy: str) -> bool:
        """True unless the record says that the agent followed another text."""
        steps = next((one.steps for one in self._episode.trajectories if one.agent == agent), ())
        versions = {step.policy_version for step in steps if step.policy_version}
        return not versions or text_hash(policy) in versions


def _told(credit: Credit) -> str:
    return credit.text if credit.step is None else f"Cycle {credit.step}: {credit.text}"


def _listed(losses: list[Any]) -> list[Any]:
    return losses


join = FxnOp(_listed, "join")
"""Many losses as one, so that a single backward walks over all of them."""
