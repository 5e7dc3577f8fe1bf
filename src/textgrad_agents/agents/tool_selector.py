"""The smallest agent: one call of a model that selects a tool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, Field, ValidationError

from textgrad_agents.engines import make_engine
from textgrad_agents.errors import MalformedMessageError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Message, Messages, ToolRequestMessage
from textgrad_agents.session import current_session
from textgrad_agents.tools import Tool


class ToolSelectorLedger(BaseModel):
    """What tools were offered and what was said."""

    tools: list[Tool] = Field(default_factory=list[Tool])
    messages: Messages = Field(default_factory=Messages)


class ToolSelector:
    """Asks a model which tool to call.

    Args:
        model_name: the model's name, or an engine.
        acompletion: an async completion function to ask instead of an engine. It is called with the model's name and
            the keywords ``messages``, ``tools`` and ``tool_choice``, and returns a chat completion (``choices``,
            ``usage``).
        accum_messages: remember all messages and the model's requests, and send them with each call.

    Raises:
        ConfigError: no model is known by this name.
    """

    TOOL_CHOICE_REQUIRED: ClassVar[str] = "required"

    def __init__(
        self,
        model_name: str | Engine = "gpt-4o",
        acompletion: Callable[..., Awaitable[Any]] | None = None,
        accum_messages: bool = False,
    ) -> None:
        self._model_name = model_name if isinstance(model_name, str) else model_name.name
        if acompletion is not None:
            self._ask = partial(self._ask_function, acompletion)
        else:
            self._ask = partial(
                self._ask_engine, make_engine(model_name) if isinstance(model_name, str) else model_name
            )
        self._ledger = ToolSelectorLedger() if accum_messages else None

    async def __call__(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool],
        tool_choice: Tool | str | None = TOOL_CHOICE_REQUIRED,
    ) -> ToolRequestMessage:
        """Let the model select.

        Args:
            messages: the conversation so far.
            tools: what it may call.
            tool_choice: "required", "auto", or the one tool that it shall call.

        Returns:
            The calls; ``info`` holds the tokens (``usage``: in and out) and the ``model``.

        Raises:
            MalformedMessageError: the reply holds no tool calls.
            EngineError: the model could not answer.
        """
        if self._ledger is not None:
            self._ledger.messages.extend(messages)
            messages = self._ledger.messages
        request = await self._ask(messages, tools, tool_choice)
        if self._ledger is not None:
            self._ledger.messages.append(request)
        return request

    async def _ask_engine(
        self, engine: Engine, messages: Sequence[Message], tools: Sequence[Tool], tool_choice: Tool | str | None
    ) -> ToolRequestMessage:
        options = GenerateOptions(
            tools=tuple(_wire(tools)),
            tool_choice=tool_choice.info.name if isinstance(tool_choice, Tool) else tool_choice,
            role="actor",
        )
        completion = await current_session().ask(engine, messages, options)
        if not completion.tool_calls:
            raise MalformedMessageError(
                f"model {self._model_name!r} was asked for a tool request message and called no tool (finish reason "
                f"{completion.finish!r}, tool choice {options.tool_choice!r}): {completion.text[:200]!r}"
            )
        usage = (completion.usage.input_tokens, completion.usage.output_tokens)
        return ToolRequestMessage(
            content=completion.text or None,
            tool_calls=list(completion.tool_calls),
            info={"usage": usage, "model": self._model_name},
        )

    async def _ask_function(
        self,
        acompletion: Callable[..., Awaitable[Any]],
        messages: Sequence[Message],
        tools: Sequence[Tool],
        tool_choice: Tool | str | None,
    ) -> ToolRequestMessage:
        choice: dict[str, Any] = {} if tool_choice is None else {"tool_choice": tool_choice}
        if isinstance(tool_choice, Tool):
            choice = {"tool_choice": {"type": "function", "function": {"name": tool_choice.info.name}}}
        response = await acompletion(self._model_name, messages=_wire(messages), tools=_wire(tools), **choice)
        return self._read(response, forced=bool(choice) and tool_choice != "auto")

    def _read(self, response: Any, *, forced: bool) -> ToolRequestMessage:
        if len(response.choices) != 1:
            raise MalformedMessageError(
                f"Expected one choice in model response, got {len(response.choices)}: {response}"
            )
        (choice,) = response.choices
        expected = {"tool_calls", "stop"} if forced else {"tool_calls"}  # some servers say "stop" of a forced call
        if choice.finish_reason not in expected:
            raise MalformedMessageError(
                f"Expected a finish reason in {sorted(expected)} in model response, got {choice.finish_reason!r}: "
                f"{response}"
            )
        usage = getattr(response, "usage", None)
        tokens = (0, 0) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
        try:
            return ToolRequestMessage(**choice.message.model_dump(), info={"usage": tokens, "model": self._model_name})
        except ValidationError as error:
            raise MalformedMessageError(
                f"Failed to convert the message of model {self._model_name!r} into a tool request message: "
                f"{choice.message}"
            ) from error


def _wire(things: Sequence[Message] | Sequence[Tool]) -> list[dict[str, Any]]:
    return [thing.model_dump(exclude_none=True, by_alias=True) for thing in things]
