"""An agent whose model is in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local_models import character_tokenizer, tiny_module  # tests/support

from envs import DummyEnv
from textgrad_agents import ScriptedEngine
from textgrad_agents.agents.local import AgentLMConfig, SimpleLocalLLMAgent
from textgrad_agents.errors import ConfigError, MalformedMessageError
from textgrad_agents.messages import user
from textgrad_agents.variables import Variable
from training.rollouts import RolloutManager


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    tiny_module(max_position_embeddings=4096).save_pretrained(place)
    character_tokenizer().save_pretrained(place)
    return place


def config(folder: Path, **settings: Any) -> AgentLMConfig:
    return AgentLMConfig(model=str(folder), device="cpu", max_new_tokens=6, **settings)


def asked(agent: SimpleLocalLLMAgent) -> Variable[Any]:
    async def run() -> Variable[Any]:
        return await agent._react_module.llm_call_op(agent.llm_config, msgs=[user("Go.")])

    return asyncio.run(run())


def test_it_acts_in_words_with_the_tools_described_in_its_prompt(folder: Path) -> None:
    engine = ScriptedEngine(["Action: print_story\nAction Input: once upon a time"])
    agent = SimpleLocalLLMAgent(config(folder), "Be brief.", engine=engine)
    (played,) = asyncio.run(RolloutManager(agent).sample_trajectories(environments=[DummyEnv()]))
    assert played.steps[-1].reward == 1.0
    told = engine.calls[0].messages[0].text
    assert told.startswith("Be brief.\n\n")
    assert "print_story(string story)" in told
    assert (engine.calls[0].options.max_tokens, engine.calls[0].options.temperature) == (6, 1.0)
    assert [one.value.startswith("Be brief.") for one in agent.parameters().values()] == [True]


def test_a_prompt_that_names_the_tools_is_taken_as_it_is(folder: Path) -> None:
    agent = SimpleLocalLLMAgent({"model": str(folder)}, "Use {tools}.", engine=ScriptedEngine([]))
    assert agent.sys_prompt == "Use {tools}."
    assert agent.llm_model == AgentLMConfig(model=str(folder))


def test_recorded_tokens_are_scored_again_under_the_present_weights(folder: Path) -> None:
    agent = SimpleLocalLLMAgent(config(folder, temperature=0.7))
    action = asked(agent)
    trace = action.call.get("completion").trace
    before = agent.recompute_logprobs(action)
    assert before == pytest.approx(trace.logprobs, abs=1e-4)
    assert before.shape == trace.action_ids.shape
    next(iter(agent.engine.model.module.parameters())).data.mul_(0.5)
    assert np.abs(agent.recompute_logprobs(action) - before).max() > 1e-3


def test_options_that_are_none_are_left_out(folder: Path) -> None:
    agent = SimpleLocalLLMAgent(config(folder, llm_call_kwargs={"top_k": None, "top_p": 0.9}))
    sampling = asked(agent).call.get("completion").trace.sampling
    assert (sampling.top_k, sampling.top_p) == (0, 0.9)


def test_what_cannot_be_is_said(folder: Path, tmp_path: Path) -> None:
    agent = SimpleLocalLLMAgent(config(folder))

    async def run() -> None:
        obs, tools = await DummyEnv().reset()
        await agent.get_asv(await agent.init_state(tools), obs)

    with pytest.raises(MalformedMessageError, match="no line 'Action: NAME'"):  # its weights are random
        asyncio.run(run())
    with pytest.raises(ConfigError, match="no recorded tokens"):
        agent.recompute_logprobs(Variable("x", role_description="action"))
    other = asked(agent)
    tiny_module(seed=1, max_position_embeddings=4096).save_pretrained(tmp_path)
    character_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="another base model"):
        SimpleLocalLLMAgent(config(tmp_path)).recompute_logprobs(other)
