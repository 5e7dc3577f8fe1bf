"""The small environment for trying things."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from envs import DummyEnv, DummyEnvState
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, ToolCall, ToolRequestMessage


def step(env: DummyEnv, *calls: ToolCall) -> Any:
    return asyncio.run(env.step(ToolRequestMessage(tool_calls=list(calls))))


def test_it_asks_for_a_story_and_rewards_it() -> None:
    env = DummyEnv(task="rain")
    assert asyncio.run(env.get_id()) == "rain"
    (message,), tools = asyncio.run(env.reset())
    assert message.content == "Write a 5 word story via print_story about rain"
    assert [tool.info.name for tool in tools] == ["print_story", "cast_float", "cast_int", "get_random_int"]
    (answer,), reward, done, truncated = step(env, ToolCall.from_name("print_story", story="It rains."))
    assert (reward, done, truncated) == (1.0, True, False)
    assert env.state.messages == [message, answer]
    assert env.export_frame().info == {
        "tool_names": ["print_story", "cast_float", "cast_int", "get_random_int"],
        "done": True,
        "reward": 1.0,
    }


def test_it_can_go_on_after_a_story() -> None:
    env = DummyEnv(end_immediately=False)
    asyncio.run(env.reset())
    assert step(env, ToolCall.from_name("print_story", story="x"))[1:3] == (1.0, False)


def test_its_other_tools() -> None:
    env = DummyEnv(seed=5)
    asyncio.run(env.reset())
    calls = [ToolCall.from_name("cast_float", x="1.5"), ToolCall.from_name("cast_int", x=2.9)]
    draws = [ToolCall.from_name("get_random_int") for _ in range(20)]
    answers, reward, done, _ = step(env, *calls, *draws)
    assert [answer.content for answer in answers[:2]] == ["1.5", "2"]
    assert {int(answer.content) for answer in answers[2:]} <= set(range(1, 11))
    assert (reward, done) == (0, False)
    with pytest.raises(ValueError, match="could not convert"):
        step(env, ToolCall.from_name("cast_float", x="one"))


def test_the_same_seed_draws_the_same_numbers() -> None:
    def draws(seed: int) -> list[str]:
        env = DummyEnv(seed=seed, concurrent_tool_calls=False)
        asyncio.run(env.reset())
        return [answer.content for answer in step(env, *[ToolCall.from_name("get_random_int")] * 10)[0]]

    assert draws(1) == draws(1) != draws(2)


@pytest.mark.parametrize("action", [Message(content="hello"), ToolRequestMessage()])
def test_an_action_without_calls(action: Message) -> None:
    env = DummyEnv()
    asyncio.run(env.reset())
    (message,), reward, done, _ = asyncio.run(env.step(action))
    assert "No tool calls" in (message.content or "")
    assert (reward, done) == (0.0, False)


def test_names_tasks_and_state() -> None:
    assert DummyEnv.from_task("rain").task == "rain"
    with pytest.raises(ConfigError, match="No task"):
        asyncio.run(DummyEnv().get_id())
    assert DummyEnv.State is DummyEnvState
    started, _ = asyncio.run((env := DummyEnv()).reset())
    started.append(Message(content="mine"))
    assert len(env.state.messages) == 1
