"""The same rollouts of an agent that is on a graph teach its prompt in words and an adapter by policy gradient."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import torch
from local_models import tiny_model  # tests/support

from envs import Environment
from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents import SimpleAgent
from textgrad_agents.engines.local import LocalEngine
from textgrad_agents.messages import Message, user
from textgrad_agents.seeds import text_hash
from textgrad_agents.tools import Tool
from training.gate import AlwaysAccept
from training.judging import EpisodeCritic
from training.numeric.learner import LoraLearner
from training.numeric_config import NumericConfig
from training.paradigms import ParadigmEvaluator
from training.rollouts import RolloutManager
from training.textual import TextualLearner

PROMPT = "Say something short."


class Echo(Environment[None]):
    """Two turns; what is said is worth as much as it has the letter a."""

    def __init__(self) -> None:
        self.turn = 0

    async def reset(self) -> tuple[list[Any], list[Tool]]:
        self.turn = 0
        return [user("Begin.")], []

    async def step(self, action: Message) -> tuple[list[Any], float, bool, bool]:
        self.turn += 1
        said = action.text
        return [user("Go on.")], float(sum(map(ord, said)) % 7), self.turn == 2, False


def judge(messages: Sequence[Message], options: Any) -> str:
    return json.dumps({"agent": {"score": 0.5, "feedback": "use the letter a"}})


def rewrite(messages: Sequence[Message], options: Any) -> str:
    tag = re.search(r"<(NEW_[0-9a-f]{8})>", messages[-1].text)
    assert tag is not None
    assert "use the letter a" in messages[-1].text
    return f"<{tag[1]}>\nSay a word with a.\n</{tag[1]}>"


def test_the_same_rollouts_feed_both_learners() -> None:
    model = tiny_model()
    model.add_adapter("team", rank=4)
    agent = SimpleAgent(sys_prompt=PROMPT, llm_config={"name": "local", "temperature": 1.0})
    with Session(engine=LocalEngine(model, "team", max_tokens=5)):
        manager = RolloutManager(agent)
        played = asyncio.run(manager.sample_trajectories(environments=[Echo() for _ in range(4)]))
    episodes = [one.episode(episode_id=number, seed=1) for number, one in enumerate(played)]
    steps = [step for one in episodes for step in one.steps()]
    assert {step.policy_version for step in steps} == {text_hash(PROMPT)}
    assert all(step.trace is not None and step.messages[0].text == PROMPT for step in steps)

    evaluator = ParadigmEvaluator("central_credit", agents=("agent",), environment="echo", rules="Say something.")
    critic = EpisodeCritic(evaluator, ScriptedEngine(judge), roles={"agent": "speaker"})
    judged = asyncio.run(critic.judge(episodes)).episodes
    textual = TextualLearner({"agent": PROMPT}, ScriptedEngine(rewrite), AlwaysAccept())
    words = asyncio.run(textual.update(judged))
    before = {key: value.detach().clone() for key, value in model.trainable("team")}
    numbers = asyncio.run(LoraLearner(model, "team", NumericConfig(lr=1e-3, kl_stop=1.0)).update(judged))

    assert words.changed
    assert textual.policies == {"agent": "Say a word with a."}
    assert numbers.changed
    assert numbers.metrics["rows"] == 4  # the turns of one conversation are one row
    assert abs(numbers.metrics["ratio"] - 1) < 1e-4
    assert any(not torch.equal(value, before[key]) for key, value in model.trainable("team"))
