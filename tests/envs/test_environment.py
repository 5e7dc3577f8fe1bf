"""Environments of one agent: reset and state, names and tasks, and the story that a newcomer writes first."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel

from envs import DummyEnv, Environment, Frame
from envs.registry import ENV_REGISTRY
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, Messages, ToolCall, ToolRequestMessage
from textgrad_agents.tools import Tool

T = TypeVar("T")


class StoryState(BaseModel):
    reward: float = 0
    done: bool = False


def print_story(story: str | bytes, state: StoryState) -> None:
    r"""Print a story.

    It may be long.

    \f

    How it is printed is left out.

    Args:
        story: The story, as a text or as bytes.
        state: What the environment knows.
    """
    state.reward = 1
    state.done = True


class StoryEnv(Environment[StoryState]):
    """As a newcomer writes it: a plain reset, and a state that is annotated and set nowhere."""

    state: StoryState

    def reset(self) -> tuple[list[Message], list[Tool]]:
        self.tools = [Tool.from_function(print_story)]
        return [Message(content="Write a story of 5 words and print it")], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        messages = await self.exec_tool_calls(action, state=self.state)
        return [*messages], self.state.reward, self.state.done, False

    def export_frame(self) -> Frame:
        return Frame(
            state={"done": self.state.done, "reward": self.state.reward},
            info={"tool_names": [tool.info.name for tool in self.tools]},
        )


class Bare(Environment[Any]):
    """No more than it has to be."""

    async def reset(self) -> tuple[Messages, list[Tool]]:
        self.tools = []
        return [], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        return self.default_no_tool_calls_response


def play(env: Environment[Any], *calls: ToolCall) -> tuple[Messages, float, bool, bool]:
    return asyncio.run(env.step(ToolRequestMessage(tool_calls=list(calls))))


def test_a_story_from_reset_to_end() -> None:
    env = StoryEnv()
    observations, tools = asyncio.run(env.reset())
    assert [message.content for message in observations] == ["Write a story of 5 words and print it"]
    assert tools[0].info.describe_str().startswith("NAME: print_story")
    assert tools[0].info.description == "Print a story.\n\nIt may be long."
    assert list(tools[0].info.get_properties()) == ["story"]
    (answer,), reward, done, truncated = play(
        env, ToolCall.from_name("print_story", story="Once. Then. Now. Here. End.")
    )
    assert (answer.role, answer.name, answer.content) == ("tool", "print_story", "null")
    assert (reward, done, truncated) == (1, True, False)
    assert env.export_frame().model_dump() == {
        "deepcopy": True,
        "state": {"done": True, "reward": 1.0},
        "info": {"tool_names": ["print_story"]},
    }


class TestReset:
    def test_a_plain_one_is_awaited_like_an_async_one(self) -> None:
        assert inspect.iscoroutinefunction(StoryEnv.reset)
        assert inspect.iscoroutinefunction(Bare.reset)
        assert asyncio.run(Bare().reset()) == ([], [])

    def test_a_class_made_of_loose_functions(self) -> None:
        whole = type("Whole", (Bare,), {"reset": lambda self: ([Message(content="hello")], [])})
        ((message,), _) = asyncio.run(whole().reset())
        assert message.content == "hello"

    def test_both_methods_are_needed(self) -> None:
        class Half(Environment[None]):
            async def reset(self) -> tuple[Messages, list[Tool]]:
                return [], []

        class StillAbstract(Environment[None]):
            async def reset(self) -> tuple[Messages, list[Tool]]:
                return await super().reset()  # type: ignore[safe-super]

        for kind in (Half, StillAbstract):
            with pytest.raises(TypeError, match="abstract"):
                kind()  # type: ignore[abstract]


class TestState:
    def test_it_is_built_when_first_read_and_anew_after_reset(self) -> None:
        env = StoryEnv()
        first = env.state
        assert first == StoryState()
        assert env.state is first
        first.done = True
        asyncio.run(env.reset())
        assert env.state == StoryState()

    def test_one_that_was_set_is_kept(self) -> None:
        env = StoryEnv()
        env.state = StoryState(reward=5)
        asyncio.run(env.reset())
        assert env.state.reward == 5

    def test_one_that_reset_sets_is_kept(self) -> None:
        class Outer(StoryEnv):
            def reset(self) -> tuple[list[Message], list[Tool]]:
                self.state.reward = 7
                return inspect_reset(super().reset())

        def inspect_reset(started: Any) -> Any:
            return started

        env = Outer()
        asyncio.run(env.reset())
        assert env.state.reward == 7
        env.state.done = True
        asyncio.run(env.reset())
        assert env.state == StoryState(reward=7)

    def test_the_generic_argument_names_it_too(self) -> None:
        class Inherited(StoryEnv): ...

        class ByArgument(Bare, Environment[StoryState]): ...

        class Middle(Bare, Environment[T], Generic[T]): ...

        class Below(Middle[dict[str, int]]): ...

        assert [kind().state for kind in (Inherited, Below)] == [StoryState(), {}]
        assert type(ByArgument().state) is StoryState

    def test_none_is_a_state(self) -> None:
        class Stateless(Environment[None]):
            reset, step = Bare.reset, Bare.step

        assert Stateless().state is None

    @pytest.mark.parametrize(
        ("annotation", "said"),
        [
            ("Needy", r"a Needy cannot be built without arguments \(.*missing 1 required"),
            ("int | str", "a UnionType cannot be built without arguments"),
            ("Nowhere", "its class names no type"),
        ],
    )
    def test_one_that_cannot_be_built_is_asked_for(self, annotation: str, said: str) -> None:
        kind = type("Env", (Bare,), {"__annotations__": {"state": annotation}, "__module__": __name__})
        with pytest.raises(AttributeError, match=rf"Env has no state: {said}.*; set self.state in reset\(\)"):
            kind().state  # noqa: B018
        assert not hasattr(kind(), "state")

    def test_other_attributes_are_missed_as_usual(self) -> None:
        with pytest.raises(AttributeError, match="'Bare' object has no attribute 'colour'"):
            Bare().colour  # type: ignore[attr-defined] # noqa: B018
        env = copy.deepcopy(StoryEnv())
        assert "state" not in vars(env)


class Needy:
    def __init__(self, name: str) -> None: ...


class TestDefaults:
    def test_a_step_without_tool_calls(self) -> None:
        (message,), reward, done, truncated = asyncio.run(Bare().step(Message(content="hello")))
        assert "No tool calls received" in (message.content or "")
        assert (reward, done, truncated) == (0.0, False, False)

    def test_what_need_not_be_written(self) -> None:
        env = Bare()
        assert env.export_frame() == Frame()
        asyncio.run(env.close())
        with pytest.raises(NotImplementedError, match="Bare"):
            asyncio.run(env.get_id())
        with pytest.raises(NotImplementedError, match="Bare does not implement from_task"):
            Bare.from_task("anything")


@pytest.fixture
def own_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(ENV_REGISTRY, "bare", (Bare.__module__, "Bare"))
    monkeypatch.setitem(ENV_REGISTRY, "story", StoryEnv)
    return


class TestNames:
    def test_by_name(self) -> None:
        assert isinstance(Environment.from_name("dummy"), DummyEnv)
        env = Environment.from_name("dummy", end_immediately=False)
        assert isinstance(env, DummyEnv)
        assert (env.task, env.end_immediately) == (None, False)
        assert asyncio.run(Environment.from_name("dummy", task="rain").get_id()) == "rain"

    def test_by_place(self) -> None:
        assert isinstance(Environment.from_name("envs.dummy:DummyEnv"), DummyEnv)

    @pytest.mark.usefixtures("own_names")
    def test_own_names(self) -> None:
        assert {"bare", "dummy", "story"} <= Environment.available()
        assert isinstance(Environment.from_name("story"), StoryEnv)

    @pytest.mark.parametrize(
        ("name", "parameters", "said"),
        [
            ("dumy", {}, "no environment of one agent is called 'dumy'; did you mean dummy?"),
            ("xyz", {}, "known are "),
            ("lamps", {}, "envs.make makes the environment of several agents of this name"),
            ("dummy", {"tasks": "rain"}, "unexpected keyword argument 'tasks'; it takes task, end_immediately"),
            ("envs.lamps:LampsEnvironment", {}, "is a LampsEnvironment, which is no subclass of envs.Environment"),
            ("no_such_module:Env", {}, "in no_such_module, which cannot be imported"),
            ("envs.dummy:Env", {}, "should be Env in envs.dummy, which has no such name"),
        ],
    )
    def test_what_cannot_be_made_is_explained(self, name: str, parameters: dict[str, Any], said: str) -> None:
        with pytest.raises(ConfigError) as raised:
            Environment.from_name(name, **parameters)
        assert said in str(raised.value)

    def test_a_task_or_parameters(self) -> None:
        with pytest.raises(ConfigError, match="not both"):
            Environment.from_name("dummy", "rain", end_immediately=False)
