"""Feedback on a whole rollout reaches the prompts that its actions were made with."""

from __future__ import annotations

import asyncio

import pytest

from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents import SimpleAgent
from textgrad_agents.errors import GraphError
from textgrad_agents.interfaces import Criticism, CriticRequest
from textgrad_agents.messages import user
from textgrad_agents.ops.rollout_loss import RolloutLoss
from textgrad_agents.transitions import Trajectory, Transition
from textgrad_agents.variables import abackward, eval_mode


class Critic:
    def __init__(self) -> None:
        self.requests: list[CriticRequest] = []

    async def criticise(self, request: CriticRequest) -> dict[str, Criticism]:
        self.requests.append(request)
        return {one.name: Criticism(f"better {one.name}") for one in request.inputs if one.wanted}


async def play(agent: SimpleAgent, number: int) -> Trajectory:
    state = await agent.init_state([])
    steps: list[Transition] = []
    for at in range(number):
        obs = [user(f"seen {at}")]
        action, state, _ = await agent.get_asv(state, obs)
        done = at == number - 1
        steps.append(Transition(timestep=at, observation=obs, next_observation=[], action=action, reward=at, done=done))
    return Trajectory(steps=steps)


def test_every_action_is_asked_about_once_and_the_prompt_hears_of_each() -> None:
    critic, engine = Critic(), ScriptedEngine(["first", "second"])
    with Session(engine=engine, critic=critic):
        agent = SimpleAgent(sys_prompt="Say something.")

        async def run() -> str:
            loss = RolloutLoss(discount=0.5)(await play(agent, 2))
            await abackward(loss)
            return loss.value

        told = asyncio.run(run())
    assert "Step 0\nSeen: seen 0\nDone: first" in told
    assert "Earned: 0 in this step, 0.5 from here on" in told
    assert told.endswith("In all it earned 1. It came to its end.")
    first, *others = critic.requests
    assert [one.name for one in first.inputs if one.wanted] == ["actions.0", "actions.1"]
    assert sorted(one.feedback for one in others) == [("better actions.0",), ("better actions.1",)]
    (prompt,) = agent.parameters().values()
    assert [one.text for one in prompt.gradients] == ["better msgs.0", "better msgs.0"]


def test_a_rollout_without_a_graph_is_refused() -> None:
    with Session(engine=ScriptedEngine(["first"])), eval_mode():
        trajectory = asyncio.run(play(SimpleAgent(sys_prompt="x"), 1))
        with pytest.raises(GraphError, match="play it in train mode"):
            RolloutLoss()(trajectory)
