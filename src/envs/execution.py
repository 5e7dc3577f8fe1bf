"""Running the tool calls of a message.

Calls run at the same time, but a tool that is not `concurrency_safe` waits for the calls before it and holds up those
after it. Answers come in the order of the calls.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from envs.threads import run_in_thread
from textgrad_agents.errors import EnvError, ToolCallError
from textgrad_agents.messages import INVALID_TOOL_NAME, Message, ToolCall, ToolResponseMessage
from textgrad_agents.tools import Tool

logger = logging.getLogger(__name__)

_JSON = json.JSONEncoder(default=to_jsonable_python)


@dataclass(frozen=True, slots=True)
class ToolRunner:
    """How the calls of one message are run.

    Attributes:
        tools: the tools by name.
        given: arguments that the environment passes to every tool.
        timeout: seconds that one call may take.
        answer_errors: answer a call whose tool raises with the error; otherwise the error is raised.
        answer_invalid: answer a call that no tool can take with what is wrong; otherwise that is raised.
    """

    tools: Mapping[str, Tool]
    given: Mapping[str, Any]
    timeout: float | None = None
    answer_errors: bool = False
    answer_invalid: bool = True

    async def run(self, calls: Sequence[ToolCall], *, concurrency: bool) -> list[ToolResponseMessage]:
        """The answers to `calls`, in their order."""
        responses: list[ToolResponseMessage] = []
        for group in self._groups(calls) if concurrency else ([call] for call in calls):
            responses += await _together([self._answer(call) for call in group])
        return responses

    def _groups(self, calls: Sequence[ToolCall]) -> Iterator[list[ToolCall]]:
        """Runs of calls that may be under way at the same time."""
        group: list[ToolCall] = []
        for call in calls:
            tool = self.tools.get(call.function.name)
            if tool is None or tool.concurrency_safe:
                group.append(call)
                continue
            yield group
            yield [call]
            group = []
        yield group

    async def _answer(self, call: ToolCall) -> ToolResponseMessage:
        name = call.function.name
        start = time.monotonic()
        try:
            tool = self.tools.get(name)
            if tool is None:
                raise ToolCallError(unknown_tool(name, self.tools))
            bound = tool.bind(call.function.arguments, self.given)
        except ToolCallError as error:
            if not self.answer_invalid:
                raise
            return ToolResponseMessage.from_call(call, f"Invalid tool call: {error}")
        fields: dict[str, Any]
        try:
            fields = response_fields(name, await self._wait_for(tool, bound))
        except Exception as error:  # what an author's code raises can be anything
            if not self.answer_errors:
                raise
            said = describe_exception(error)
            logger.warning("tool %s raised %s", name, said)
            logger.debug("tool %s raised", name, exc_info=error)
            fields = {"content": f"Encountered exception during tool call: {said}"}
        info: dict[str, Any] = fields.pop("info", None) or {}
        times = {"start_ts": start, "end_ts": time.monotonic()}
        return ToolResponseMessage.from_call(call, info=info | times, **fields)

    async def _wait_for(self, tool: Tool, bound: Callable[[], Any]) -> Any:
        if self.timeout is None:
            return await _result(tool, bound)
        scope = asyncio.timeout(self.timeout)
        try:
            async with scope:
                return await _result(tool, bound)
        except TimeoutError:
            if not scope.expired():
                raise
            raise TimeoutError(f"the tool {tool.info.name} did not finish within {self.timeout:g} s") from None


async def _result(tool: Tool, bound: Callable[[], Any]) -> Any:
    try:
        if tool.is_async:
            return await bound()
        result = await run_in_thread(bound)
        return await result if inspect.isawaitable(result) else result
    except SystemExit as end:  # which in a task would end the event loop, and all others that it serves
        raise EnvError(f"the tool {tool.info.name} tried to end the program ({end!r})") from end


async def _together(answers: Sequence[Any]) -> list[ToolResponseMessage]:
    """Await all; if one fails, the others are stopped before its error is raised."""
    if len(answers) < 2:
        return [await answer for answer in answers]
    tasks = [asyncio.ensure_future(answer) for answer in answers]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def response_fields(name: str, result: Any) -> dict[str, Any]:
    """Content of the answer for what a tool returned: a text, a Message, a pydantic model, or anything JSON-like.

    Raises:
        EnvError: it is none of these.
    """
    if isinstance(result, str):
        return {"content": result}
    if isinstance(result, Message):
        flag = result.content_is_json_str
        return {"content": result.content or "", "content_is_json_str": flag, "info": result.info}
    if isinstance(result, BaseModel):
        return {"content": result.model_dump_json(exclude_none=True, by_alias=True), "content_is_json_str": True}
    try:
        text = _JSON.encode(result)
    except (PydanticSerializationError, TypeError, ValueError, RecursionError):
        raise EnvError(
            f"the tool {name} returned a {type(result).__name__}, which cannot be written as JSON; return a text, a "
            "Message, a pydantic model or JSON-like data"
        ) from None
    return {"content": text, "content_is_json_str": True}


def unknown_tool(name: str, tools: Mapping[str, Tool]) -> str:
    """What a model is told that called a tool by a wrong name, or with arguments that are no JSON object."""
    if name == INVALID_TOOL_NAME:
        return f"{name}. The arguments of a call must be a JSON object."
    return f"{name}. No tool has this name; the tools are: {', '.join(tools) or 'none'}."


def describe_exception(error: BaseException) -> str:
    """An exception on one line, with those in it if it is a group."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        members = ", ".join(describe_exception(member) for member in group.exceptions)
        return f"{error}, where sub-exceptions are: {members}"
    return repr(error)
