"""Environments for one agent that calls tools.

`Environment` is the base class for one seat; `envs.base.MultiAgentEnvironment` is the one for several agents.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from envs.execution import ToolRunner, unknown_tool
from envs.registry import ENV_REGISTRY, build
from envs.rendering import Frame
from envs.state import build_state
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, Messages, ToolCall, ToolRequestMessage, ToolResponseMessage
from textgrad_agents.tools import Tool

StateT = TypeVar("StateT")
Reset = Callable[..., "Awaitable[tuple[Messages, list[Tool]]]"]


class Environment(ABC, Generic[StateT]):
    """A stateful place in which an agent calls tools and gets observations.

    A subclass writes `reset` (``async def`` or plain ``def``; it is awaited either way) and `step`. If it does not set
    `state`, one is built from the annotation (``state: MyState`` or ``Environment[MyState]``) when it is first read,
    and anew after each reset.

    Attributes:
        tools: what the agent may call; `reset` sets it.
        state: what changes from step to step; tools get it as their argument ``state``.
    """

    tools: list[Tool]
    state: StateT

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        reset = cls.__dict__.get("reset")
        if inspect.isfunction(reset):
            setattr(cls, "reset", _starting_afresh(reset))  # noqa: B010 (pyright holds methods to be constant)

    if not TYPE_CHECKING:  # or any attribute would be taken to exist

        def __getattr__(self, name: str) -> Any:
            if name != "state":
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            self.state = self._built_state = build_state(type(self), Environment)
            return self.state

    @abstractmethod
    async def reset(self) -> tuple[Messages, list[Tool]]:
        """Start an episode: the first observations, and the tools."""

    @abstractmethod
    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        """Take an action.

        Returns:
            New observations, the reward of this action, whether the episode is over, and whether it was cut short.
        """

    @property
    def default_no_tool_calls_response(self) -> tuple[Messages, float, bool, bool]:
        """What `step` may return for an action without tool calls."""
        text = "No tool calls received. Please call one or more tools to proceed."
        return [Message(content=text)], 0.0, False, False

    async def get_id(self) -> str:
        """An identifier of the task; the same before and after reset and step.

        Raises:
            NotImplementedError: this environment has none.
        """
        raise NotImplementedError(f"Getting ID is not yet implemented for environment {type(self).__name__}.")

    def filter_invalid_tool_calls(self, message: ToolRequestMessage) -> tuple[ToolRequestMessage, ToolRequestMessage]:
        """Split the calls of `message` into those that name a tool of this environment and those that do not."""
        names = {tool.info.name for tool in self.tools}
        valid: list[ToolCall] = []
        invalid: list[ToolCall] = []
        for call in message.tool_calls:
            (valid if call.function.name in names else invalid).append(call)
        content = message.content
        return (
            ToolRequestMessage(content=content, tool_calls=valid),
            ToolRequestMessage(content=content, tool_calls=invalid),
        )

    async def exec_tool_calls(
        self,
        message: Message,
        concurrency: bool = True,
        handle_tool_exc: bool = False,
        handle_invalid_tool_calls: bool = True,
        exec_timeout: float | None = None,
        **function_kwargs: Any,
    ) -> list[ToolResponseMessage]:
        """Run the tool calls of `message`: async tools on the event loop, plain functions on threads.

        A tool may return a text, a Message, a pydantic model or anything JSON-like. The ``info`` of an answer holds
        when the call began and ended (``start_ts``, ``end_ts``, in seconds of `time.monotonic`).

        Args:
            message: the agent's action; nothing is run for one without tool calls.
            concurrency: run calls at the same time, except tools that are not ``concurrency_safe``.
            handle_tool_exc: answer a call whose tool raises or runs out of time with the error, instead of raising it.
            handle_invalid_tool_calls: answer a call with an unknown name or wrong arguments with what is wrong.
            exec_timeout: seconds that one call may take.
            function_kwargs: arguments for every tool; ``state`` reaches those tools that have such a parameter.

        Returns:
            The answers, in the order of the calls.

        Raises:
            ToolCallError: a call is invalid and not handled.
            TimeoutError: a call ran out of time and is not handled.
            EnvError: a tool returned something that cannot be written as JSON, and that is not handled.
        """
        request = message if isinstance(message, ToolRequestMessage) else _as_request(message)
        tools: dict[str, Tool] = {}
        for tool in self.tools:
            tools.setdefault(tool.info.name, tool)
        runner = ToolRunner(tools, function_kwargs, exec_timeout, handle_tool_exc, handle_invalid_tool_calls)
        if not handle_invalid_tool_calls:
            return await runner.run(request.tool_calls, concurrency=concurrency)
        valid, invalid = self.filter_invalid_tool_calls(request)
        responses = await runner.run(valid.tool_calls, concurrency=concurrency)
        if invalid.tool_calls:
            for call in invalid.tool_calls:
                said = f"Invalid tool call: {unknown_tool(call.function.name, tools)}"
                responses.append(ToolResponseMessage.from_call(call, said))
            order = {call.id: place for place, call in enumerate(request.tool_calls)}
            responses.sort(key=lambda response: order[response.tool_call_id])
        return responses

    def export_frame(self) -> Frame:
        """A snapshot for pictures and debugging."""
        return Frame()

    async def close(self) -> None:
        """Release what the environment holds."""

    @classmethod
    def from_task(cls, task: str) -> Self:
        """The environment for a task put into words, as one would put it to a model.

        Raises:
            NotImplementedError: this environment cannot be made so.
        """
        raise NotImplementedError(f"{cls.__name__} does not implement from_task")

    @classmethod
    def from_name(cls, name: str, task: str | None = None, **env_kwargs: Any) -> Environment[Any]:
        """An environment by its registered name, or as ``module:Class``; from a task or from parameters.

        Raises:
            ConfigError: there is none of this name, the parameters do not fit, or a task is given with parameters.
        """
        what = f"environment {name!r}"
        kind: Any = ENV_REGISTRY.find(name)
        if task is not None and env_kwargs:
            raise ConfigError(f"{what}: pass a task or parameters ({', '.join(env_kwargs)}), not both")
        made: Any = build(what, kind, env_kwargs) if task is None else kind.from_task(task)
        if not isinstance(made, Environment):
            raise ConfigError(f"{what} is a {type(made).__name__}, which is no subclass of envs.Environment")
        return cast("Environment[Any]", made)

    @classmethod
    def available(cls) -> set[str]:
        """The names that `from_name` knows."""
        return set(ENV_REGISTRY.names())


def _as_request(message: Message) -> ToolRequestMessage:
    return ToolRequestMessage(content=message.content, tool_calls=list(message.tool_calls or ()))


def _starting_afresh(reset: Callable[..., Any]) -> Reset:
    """`reset` as a coroutine function that first drops a state that was built for the last episode."""

    @functools.wraps(reset)
    async def start(self: Environment[Any], *args: Any, **kwargs: Any) -> tuple[Messages, list[Tool]]:
        own = vars(self)
        outermost = getattr(type(self).reset, "__wrapped__", None) is reset  # not one reached through super()
        if outermost and "state" in own and own.get("_built_state", own) is own["state"]:
            del self.state
        result = reset(self, *args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return start
