"""Environments from functions: one that starts an episode, and the tools.

::

    @fenv.start()
    def story(topic):
        return f"Write a story about {topic}", {"topic": topic}

    @story.tool()
    def tell(text: str, state) -> str:
        '''Tell the story and end.'''
        state.reward = float(state.topic in text)
        state.done = True
        return "Thank you."

    env = story(topic="space")
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from envs.environment import Environment
from envs.rendering import Frame
from textgrad_agents.errors import EnvError, StartError
from textgrad_agents.messages import Message, Messages
from textgrad_agents.tools import Tool
from textgrad_agents.validation import short

F = TypeVar("F", bound=Callable[..., Any])


class DynamicState(BaseModel):
    """Reward and end of the episode, and whatever else was started with: `extras`, readable as attributes."""

    reward: float = 0
    done: bool = False
    extras: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        extras: dict[str, Any] = self.__dict__.get("extras", {})
        if name in extras:
            return extras[name]
        raise AttributeError(f"the state has no attribute {name!r}; its extras are {', '.join(extras) or 'none'}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).model_fields:
            super().__setattr__(name, value)
        else:
            self.extras[name] = value


class FunctionalEnvironment(Environment[DynamicState]):
    """An environment made by `fenv`."""

    def __init__(
        self, start_fn: Callable[..., Any], tools: list[Tool], allow_concurrency: bool, *args: Any, **kwargs: Any
    ) -> None:
        self.start_fn = start_fn
        self.tools = tools
        self.args = args
        self.kwargs = kwargs
        self.state = DynamicState()
        self.allow_concurrency = allow_concurrency

    async def reset(self) -> tuple[Messages, list[Tool]]:
        """Call the start function.

        Raises:
            StartError: it returned something other than an observation and a state.
        """
        started = self.start_fn(*self.args, **self.kwargs)
        started = await started if inspect.isawaitable(started) else started
        if not (isinstance(started, tuple) and len(started := cast("tuple[Any, ...]", started)) == 2):
            raise StartError(f"a start function returns (observation, dict of the state), not {short(started)}")
        observation, extras = started
        if not isinstance(extras, dict):
            raise StartError(f"the state that a start function returns is a dict, not {short(extras)}")
        self.state = DynamicState(extras=cast("dict[str, Any]", extras))
        return [Message(content=observation)], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        """Run the tools that `action` calls; what they raise is answered to the agent."""
        if not action.tool_calls:
            return self.default_no_tool_calls_response
        answers = await self.exec_tool_calls(
            action, state=self.state, concurrency=self.allow_concurrency, handle_tool_exc=True
        )
        return [*answers], self.state.reward, self.state.done, False

    def export_frame(self) -> Frame:
        """The state."""
        return Frame(state=self.state.model_dump(), info={"tool_names": [tool.info.name for tool in self.tools]})


class EnvironmentBuilder:
    """Makes environments from a start function and tools; calling it makes one."""

    def __init__(self, start_fn: Callable[..., Any], allow_concurrency: bool) -> None:
        self.start_fn = start_fn
        self.tools: list[Tool] = []
        self.allow_concurrency = allow_concurrency
        update_wrapper(self, start_fn)

    def __call__(self, *args: Any, **kwargs: Any) -> FunctionalEnvironment:
        """A new environment; the start function gets the arguments at each reset."""
        return FunctionalEnvironment(self.start_fn, list(self.tools), self.allow_concurrency, *args, **kwargs)

    def from_task(self, task: str) -> FunctionalEnvironment:
        """A new environment whose start function gets the task as its one argument."""
        return self(task)

    def tool(self, **tool_kwargs: Any) -> Callable[[F], F]:
        """Decorator that adds a tool; what `Tool.from_function` takes may be given.

        Raises:
            EnvError: there is a tool of this name already.
        """
        settings: dict[str, Any] = {"allow_empty_param_descriptions": True, **tool_kwargs}

        def add(function: F) -> F:
            tool = Tool.from_function(function, **settings)
            if any(other.info.name == tool.info.name for other in self.tools):
                raise EnvError(f"Tool with name '{tool.info.name}' already exists; give the function another name")
            self.tools.append(tool)
            return function

        return add


class fenv:
    """Environments from functions; see the module."""

    @staticmethod
    def start(allow_concurrency: bool = False) -> Callable[[Callable[..., Any]], EnvironmentBuilder]:
        """Decorator for the function, plain or async, that starts an episode.

        It takes the parameters of the environment and returns the first observation and a dict, whose entries are
        attributes of ``state`` in the tools, beside ``state.reward`` and ``state.done``.

        Args:
            allow_concurrency: let several tools of one action run at the same time.
        """

        def make(function: Callable[..., Any]) -> EnvironmentBuilder:
            if not callable(function):
                raise StartError(f"@fenv.start() goes before a function, not before {function!r}")
            return EnvironmentBuilder(function, allow_concurrency=allow_concurrency)

        if not isinstance(allow_concurrency, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise StartError("write @fenv.start() with its parentheses")
        return make
