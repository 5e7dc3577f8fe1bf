"""An environment the way its users come to know it, piece by piece: messages, state, tools, reset, step, frame.

The pieces are those of Aviary's introduction with the imports of this project. A reset is plain, and nobody sets the
state that the tools change.
"""

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from envs import Environment, Frame
from textgrad_agents.messages import Message
from textgrad_agents.tools import Tool, ToolCall, ToolRequestMessage


class ExampleState(BaseModel):
    reward: float = 0
    done: bool = False


class ExampleEnv(Environment[ExampleState]):
    state: ExampleState


def print_story(story: str, state: ExampleState) -> None:
    """Print a story.

    Args:
        story: Story to print.
        state: Environment state (hidden from agent, described for the linter).
    """
    print(story)  # noqa: T201
    state.reward = 1
    state.done = True


def print_story_or_bytes(story: str | bytes, state: ExampleState) -> None:
    r"""Print a story.

    Extra information that is part of the tool description.

    \f

    This sentence is excluded because it's an implementation detail.

    Args:
        story: Story to print, either as a string or bytes.
        state: Environment state.
    """
    print(story)  # noqa: T201
    state.reward = 1
    state.done = True


def reset(self) -> tuple[list[Message], list[Tool]]:
    self.tools = [Tool.from_function(ExampleEnv.print_story)]

    start = Message(content="Write a 5 word story and call print")

    return [start], self.tools


async def step(self, action: Message) -> tuple[list[Message], float, bool, bool]:
    msgs: list[Message] = await self.exec_tool_calls(action, state=self.state)
    return msgs, self.state.reward, self.state.done, False


def export_frame(self) -> Frame:
    return Frame(
        state={"done": self.state.done, "reward": self.state.reward},
        info={"tool_names": [t.info.name for t in self.tools]},
    )


@pytest.fixture(params=[print_story, print_story_or_bytes])
def env(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Environment[ExampleState]:
    """The pieces in one class."""
    pieces = {"print_story": request.param, "reset": reset, "step": step, "export_frame": export_frame}
    whole = type("ExampleEnv", (ExampleEnv,), pieces)
    monkeypatch.setitem(globals(), "ExampleEnv", whole)
    return whole()


def test_messages() -> None:
    msg = Message(content="Hello, world!", role="assistant")
    assert (msg.content, msg.role) == ("Hello, world!", "assistant")
    for role in ("assistant", "system", "user", "tool"):
        assert Message(role=role).content is None


def test_an_episode(env: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def episode() -> Any:
        obs_msgs, tools = await env.reset()
        assert obs_msgs[0].content == "Write a 5 word story and call print"
        action_msg = ToolRequestMessage(tool_calls=[ToolCall.from_tool(tools[0], story="It rained. We read. End.")])
        new_obs_msgs, reward, done, truncated = await env.step(action_msg)
        return new_obs_msgs, reward, done, truncated

    (answer,), reward, done, truncated = asyncio.run(episode())
    assert (answer.role, answer.content, reward, done, truncated) == ("tool", "null", 1, True, False)
    assert capsys.readouterr().out == "It rained. We read. End.\n"
    frame = env.export_frame()
    assert frame.state == {"done": True, "reward": 1}
    assert frame.info == {"tool_names": [env.tools[0].info.name]}


def test_what_an_agent_is_told(env: Any) -> None:
    asyncio.run(env.reset())
    info = env.tools[0].info
    assert list(info.get_properties()) == ["story"]
    assert info.description.startswith("Print a story.")
    assert "implementation detail" not in info.description
