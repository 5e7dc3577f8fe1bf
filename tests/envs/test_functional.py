"""Environments from functions."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from envs import DynamicState, Environment, FunctionalEnvironment, fenv
from envs.registry import ENV_REGISTRY
from textgrad_agents.errors import ConfigError, EnvError, StartError
from textgrad_agents.messages import Message, ToolCall, ToolRequestMessage


@fenv.start()
def story(topic: str) -> Any:
    """Ask for a story."""
    return f"Write a story about {topic}", {"topic": topic}


@story.tool()
def multiply(x: float, y: float) -> float:
    """Multiply two numbers."""
    return x * y


@story.tool()
def tell(story: str | bytes, state: Any) -> str:
    """Tell the story and end."""
    state.reward = float(state.topic in str(story))
    state.told = story
    state.done = True
    return "Thank you."


def act(env: FunctionalEnvironment, *calls: ToolCall) -> Any:
    return asyncio.run(env.step(ToolRequestMessage(tool_calls=list(calls))))


def test_an_episode() -> None:
    env = story(topic="rain")
    assert isinstance(env, FunctionalEnvironment)
    (message,), tools = asyncio.run(env.reset())
    assert (message.role, message.content) == ("user", "Write a story about rain")
    assert [tool.info.name for tool in tools] == ["multiply", "tell"]
    assert list(tools[1].info.get_properties()) == ["story"]
    (answer,), reward, done, truncated = act(env, ToolCall.from_name("multiply", x=2, y=3))
    assert (answer.content, reward, done, truncated) == ("6.0", 0, False, False)
    assert act(env, ToolCall.from_name("tell", story="It rains: rain."))[1:] == (1.0, True, False)
    assert env.export_frame().model_dump() == {
        "deepcopy": True,
        "state": {"reward": 1.0, "done": True, "extras": {"topic": "rain", "told": "It rains: rain."}},
        "info": {"tool_names": ["multiply", "tell"]},
    }
    asyncio.run(env.reset())
    assert env.state == DynamicState(extras={"topic": "rain"})


def test_environments_have_their_own_state_and_tools() -> None:
    one, two = story("rain"), story("sun")
    for env in (one, two):
        asyncio.run(env.reset())
    one.state.extras["topic"] = "snow"
    one.tools.pop()
    assert (two.state.topic, len(two.tools), len(story("x").tools)) == ("sun", 2, 2)


def test_the_builder_looks_like_its_function() -> None:
    assert (story.__name__, story.__doc__) == ("story", "Ask for a story.")


def test_what_a_tool_raises_is_answered() -> None:
    env = story("rain")
    asyncio.run(env.reset())

    def fail(state: Any) -> None:
        """Fail."""
        raise ValueError(state.weather)

    story_with_failure = fenv.start()(lambda: ("Go", {}))
    story_with_failure.tool()(fail)
    other = story_with_failure()
    asyncio.run(other.reset())
    (answer,), *_ = act(other, ToolCall.from_name("fail"))
    assert "the state has no attribute 'weather'; its extras are none" in answer.content


@pytest.mark.parametrize("action", [Message(content="hello"), ToolRequestMessage(content="hm")])
def test_an_action_without_calls(action: Message) -> None:
    env = story("rain")
    asyncio.run(env.reset())
    (message,), reward, done, _ = asyncio.run(env.step(action))
    assert "No tool calls" in (message.content or "")
    assert (reward, done) == (0, False)


@pytest.mark.parametrize(("together", "most"), [(False, 1), (True, 3)])
def test_tools_run_at_the_same_time_if_that_is_allowed(together: bool, most: int) -> None:
    at_once: list[int] = [0, 0]

    @fenv.start(allow_concurrency=together)
    async def busy() -> Any:
        await asyncio.sleep(0)
        return "Go", {}

    @busy.tool(concurrency_safe=True)
    async def work() -> None:
        """Work."""
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0.01)
        at_once[0] -= 1

    env = busy()
    asyncio.run(env.reset())
    act(env, *[ToolCall.from_name("work") for _ in range(3)])
    assert at_once[1] == most


@pytest.mark.parametrize("started", ["only an observation", ("obs",), ("obs", "state"), ("obs", {}, 1), None])
def test_a_start_that_returns_something_else(started: Any) -> None:
    env = fenv.start()(lambda: started)()
    with pytest.raises(TypeError) as raised:
        asyncio.run(env.reset())
    assert isinstance(raised.value, StartError)


def test_decorators_in_the_wrong_place() -> None:
    with pytest.raises(StartError, match="with its parentheses"):
        fenv.start(story)  # type: ignore[arg-type]
    with pytest.raises(StartError, match="goes before a function"):
        fenv.start()(5)  # type: ignore[arg-type]
    with pytest.raises(EnvError, match="Tool with name 'multiply' already exists"):
        story.tool()(multiply)
    with pytest.raises(ConfigError, match="Missing docstring"):
        story.tool()(lambda: 1)


def test_it_can_be_registered_and_made_from_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENV_REGISTRY, "story", story)
    env = Environment.from_name("story", "snow")
    ((message,), _) = asyncio.run(env.reset())
    assert message.content == "Write a story about snow"
    assert isinstance(Environment.from_name("story", topic="sun"), FunctionalEnvironment)


def test_extras_are_attributes() -> None:
    state = DynamicState(extras={"a": 1})
    state.b = 2
    state.reward = 3
    assert (state.a, state.b, state.extras, state.reward) == (1, 2, {"a": 1, "b": 2}, 3)
    assert copy.deepcopy(state) == state
    assert not hasattr(state, "c")
