"""From a graph to the record: what `backward` wrote to an adapter, as an episode that a `LoraLearner` takes.

Each call of a model in the graph becomes a step. A call's number is what the losses downstream of it were worth, so the
rewards of the steps are its differences: reward-to-go gives back exactly the numbers of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textgrad_agents.errors import GraphError
from textgrad_agents.messages import Completion
from textgrad_agents.seeds import text_hash
from textgrad_agents.trajectory import Episode, Step, Trajectory
from textgrad_agents.variables import Variable
from textgrad_agents.variables.call import OpCall


@dataclass(frozen=True, slots=True)
class _Scored:
    """A call with a token trace, and what its reply was worth."""

    call: OpCall
    completion: Completion
    worth: float


def episode_of(
    loss: Variable[Any], adapter: Variable[Any], *, agent: str = "agent", episode_id: int = 0, seed: int = 0
) -> Episode:
    """The calls that made `loss` with the weights of `adapter`, in their order, as one agent's run.

    Args:
        loss: where `backward` (or `compute_grads`) began.
        adapter: the Variable of the weights.
        agent: the agent's name.
        episode_id: number of the episode in its batch.
        seed: of the task; episodes of one seed are compared with each other.

    Raises:
        GraphError: backward has not reached a call with these weights, or its engine recorded no tokens.
    """
    calls = [one.call for one in reversed(loss.traverse()) if one.call is not None and _uses(one.call, adapter)]
    scored = [_scored(call) for call in sorted(calls, key=lambda call: call.call_id)]
    if not scored:
        raise GraphError(
            f"no call below this loss uses the weights of {adapter.role_description!r}; give the op the "
            "Variable as its adapter and run it again"
        )
    worths = [one.worth for one in scored]
    rewards = [worth - later for worth, later in zip(worths, [*worths[1:], 0.0], strict=True)]
    steps = tuple(_step(one, agent, number, rewards[number]) for number, one in enumerate(scored))
    return Episode(
        episode_id=episode_id,
        seed=seed,
        trajectories=(Trajectory(agent, steps),),
        total_reward=worths[0],
        length=len(steps),
    )


def _uses(call: OpCall, adapter: Variable[Any]) -> bool:
    return any(variable is adapter for _, variable in call.inputs)


def _scored(call: OpCall) -> _Scored:
    completion: Completion | None = call.get("completion")
    worth: float | None = call.get("reward")
    if completion is None or completion.trace is None:
        raise GraphError(
            f"the engine of {call.op.name} recorded no tokens, so its weights cannot learn; use a local engine"
        )
    if worth is None:
        raise GraphError(
            f"{call.op.name} got no reward: run backward from a RewardLoss, or compute_grads with a number, before"
        )
    return _Scored(call, completion, worth)


def _step(one: _Scored, agent: str, number: int, reward: float) -> Step:
    messages = tuple(one.call.get("messages", ()))
    return Step(
        agent=agent,
        timestep=number,
        messages=messages,
        reply=one.completion.text,
        finish=one.completion.finish,
        action=one.completion.text,
        usage=one.completion.usage,
        trace=one.completion.trace,
        reward=reward,
        policy_version=text_hash(str(one.call.input_kwargs.get("system_prompt", ""))),
    )
