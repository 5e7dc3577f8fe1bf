"""A small environment with all kinds of tools, for trying things and for tests: no network, nothing to install."""

from __future__ import annotations

import random
from typing import Self

from pydantic import BaseModel, Field

from envs.dataset import TaskDataset
from envs.environment import Environment
from envs.rendering import Frame
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, Messages
from textgrad_agents.tools import Tool


class DummyEnvState(BaseModel):
    """What has been said so far, and how it went."""

    messages: Messages = Field(default_factory=Messages)
    reward: float = 0
    done: bool = False


class DummyEnv(Environment[DummyEnvState]):
    """Asks for a story of five words; printing one is worth 1.

    Args:
        task: what the story shall be about; it is also the environment's id.
        end_immediately: end the episode with the first story.
        concurrent_tool_calls: run the tools of one action at the same time.
        seed: of the tool that draws a number; None gives any numbers.
    """

    State = DummyEnvState

    def __init__(
        self,
        task: str | None = None,
        end_immediately: bool = True,
        concurrent_tool_calls: bool = True,
        seed: int | None = None,
    ) -> None:
        self.end_immediately = end_immediately
        self.task = task
        self.concurrent_tool_calls = concurrent_tool_calls
        self._chance = random.Random(seed)

    @classmethod
    def from_task(cls, task: str) -> Self:
        """The environment that asks for a story about `task`."""
        return cls(task=task)

    async def get_id(self) -> str:
        """The task.

        Raises:
            ConfigError: none was given.
        """
        if self.task is None:
            raise ConfigError("No task (to reuse as an ID) was configured.")
        return self.task

    async def reset(self) -> tuple[Messages, list[Tool]]:
        """Ask for a story."""

        def print_story(story: str, state: DummyEnvState) -> None:
            """Print a story.

            Args:
                story: Story to print.
                state: Environment state.
            """
            state.reward = 1.0
            state.done = self.end_immediately

        def cast_float(x: str) -> float:
            """Cast the input argument x to a float."""
            return float(x)

        def cast_int(x: float) -> int:
            """Cast the input argument x to an integer."""
            return int(x)

        def get_random_int() -> int:
            """Get a random integer in 1 to 10."""
            return self._chance.randint(1, 10)

        self.tools = [
            Tool.from_function(function, allow_empty_param_descriptions=True)
            for function in (print_story, cast_float, cast_int, get_random_int)
        ]
        about = f" about {self.task}" if self.task else ""
        self.state = type(self).State(messages=[Message(content=f"Write a 5 word story via print_story{about}")])
        return [*self.state.messages], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        """Run the tools that `action` calls."""
        if not action.tool_calls:
            return self.default_no_tool_calls_response
        answers = await self.exec_tool_calls(action, state=self.state, concurrency=self.concurrent_tool_calls)
        self.state.messages.extend(answers)
        return [*answers], self.state.reward, self.state.done, False

    def export_frame(self) -> Frame:
        """What was said so far."""
        return Frame(
            state={"messages": [message.content for message in self.state.messages]},
            info={
                "tool_names": [tool.info.name for tool in self.tools],
                "done": self.state.done,
                "reward": self.state.reward,
            },
        )


class DummyTaskDataset(TaskDataset[DummyEnv]):
    """Endlessly many `DummyEnv`."""

    def get_new_env(self) -> DummyEnv:
        """A new one."""
        return DummyEnv()

    def __bool__(self) -> bool:
        return True
