"""The environments that a person tries tools in."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic_core import to_jsonable_python

from envs.environment import Environment
from envs.execution import describe_exception
from textgrad_agents.messages import Messages, MessagesAdapter, ToolCall, ToolCallFunction, ToolRequestMessage
from textgrad_agents.tools import Tool

logger = logging.getLogger(__name__)

MakeEnvironment: TypeAlias = "Callable[[], Environment[Any] | Awaitable[Environment[Any]]]"
MOST_SESSIONS = 64


@dataclass(slots=True)
class Session:
    """One environment and the episode under way in it.

    Attributes:
        env: the environment.
        tools: what an agent may call.
        messages: the first observations of the episode, on the wire.
        over: the episode has ended; the next call starts another one.
        lock: held while a tool runs.
    """

    env: Environment[Any]
    tools: list[Tool] = field(default_factory=list[Tool])
    messages: list[Any] = field(default_factory=list[Any])
    over: bool = True
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def begin(self) -> None:
        """Start an episode."""
        messages, self.tools = await self.env.reset()
        self.messages = on_the_wire(messages)
        self.over = False

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Let an agent's action that calls one tool happen, in a new episode if the last one is over.

        Returns:
            What the agent gets: messages, their text (``result``), reward, done, truncated.
        """
        async with self.lock:
            if self.over:
                await self.begin()
            function = ToolCallFunction(name=tool, arguments=arguments)
            call = ToolCall(id=ToolCall.generate_id(), function=function)
            messages, reward, done, truncated = await self.env.step(ToolRequestMessage(tool_calls=[call]))
            self.over = bool(done or truncated)
            return {
                "messages": on_the_wire(messages),
                "result": "\n\n".join(message.content for message in messages if message.content),
                "reward": float(reward),
                "done": bool(done),
                "truncated": bool(truncated),
            }

    def state(self) -> Any:
        """The environment's state, with the repr of what JSON cannot hold."""
        return to_jsonable_python(self.env.state, fallback=repr, inf_nan_mode="strings")


class Sessions:
    """Running environments by id. The newest `MOST_SESSIONS` are kept.

    Args:
        make: makes an environment.
    """

    def __init__(self, make: MakeEnvironment) -> None:
        self._make = make
        self._running: dict[str, Session] = {}

    async def start(self) -> tuple[str, Session]:
        """A new environment, and its id."""
        made = self._make()
        session = Session(await made if inspect.isawaitable(made) else made)
        await session.begin()
        name = f"env{secrets.token_hex(4)}"
        self._running[name] = session
        if len(self._running) > MOST_SESSIONS:
            await self.stop(next(iter(self._running)))
        return name, session

    def find(self, name: str) -> Session | None:
        """The environment of an id, if it runs."""
        return self._running.get(name)

    async def stop(self, name: str) -> None:
        """Close an environment, if it runs."""
        session = self._running.pop(name, None)
        if session is None:
            return
        try:
            await session.env.close()
        except Exception as error:  # what an author's code raises can be anything
            logger.warning("closing %s failed: %s", name, describe_exception(error), exc_info=error)

    async def stop_all(self) -> None:
        """Close every environment."""
        for name in list(self._running):
            await self.stop(name)


def on_the_wire(messages: Messages) -> list[Any]:
    """Messages as JSON."""
    return MessagesAdapter.dump_python(MessagesAdapter.validate_python(messages), mode="json")
