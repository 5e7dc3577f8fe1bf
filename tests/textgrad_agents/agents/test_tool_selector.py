"""The agent that asks a model which tool to call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from textgrad_agents.agents import ToolSelector, ToolSelectorLedger
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError, MalformedMessageError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall, ToolRequestMessage, Usage, user
from textgrad_agents.tools import Tool


def look(place: str) -> str:
    """Look somewhere.

    Args:
        place: Where.
    """
    return place


TOOL = Tool.from_function(look)
CALL = ToolCall.from_name("look", id="c1", place="up")


def calling(text: str = "") -> Completion:
    return Completion(text, finish="tool_calls", tool_calls=(CALL,), usage=Usage(7, 3))


def test_it_asks_an_engine() -> None:
    engine = ScriptedEngine([calling("Hm."), calling(), calling()])
    selector = ToolSelector(engine)
    request = asyncio.run(selector([user("Where?")], [TOOL]))
    assert request == ToolRequestMessage(content="Hm.", tool_calls=[CALL], info={"usage": (7, 3), "model": "scripted"})
    asyncio.run(selector([user("Where?")], [TOOL], tool_choice=TOOL))
    assert asyncio.run(selector([user("Where?")], [TOOL], tool_choice="auto")).content is None
    assert [call.options.tool_choice for call in engine.calls] == ["required", "look", "auto"]
    assert engine.calls[0].messages == (user("Where?"),)
    assert engine.calls[0].options.tools == (TOOL.model_dump(by_alias=True),)


def test_a_reply_without_a_call_is_malformed() -> None:
    with pytest.raises(MalformedMessageError, match=r"called no tool .*'I had rather not"):
        asyncio.run(ToolSelector(ScriptedEngine(["I had rather not."]))([user("Where?")], [TOOL]))


def test_it_remembers_if_asked_to() -> None:
    def answer(messages: Sequence[Message], options: GenerateOptions) -> Completion:
        return calling(f"{len(messages)} messages")

    selector = ToolSelector(ScriptedEngine(answer), accum_messages=True)
    said = [asyncio.run(selector([user(text)], [TOOL])).content for text in ("a", "b")]
    assert said == ["1 messages", "3 messages"]


def test_models_have_to_be_known() -> None:
    with pytest.raises(ConfigError):
        ToolSelector("no-such-model-at-all")


class Reply(BaseModel, extra="allow"):
    """The message of a chat completion."""


class Provider:
    """A completion function that keeps what it was asked."""

    def __init__(self, finish: str = "tool_calls", choices: int = 1, **changes: Any) -> None:
        fields: dict[str, Any] = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"place": 1}'}}],
            "refusal": None,
        }
        choice = SimpleNamespace(finish_reason=finish, message=Reply(**(fields | changes)))
        usage = SimpleNamespace(prompt_tokens=7, completion_tokens=3)
        self.response = SimpleNamespace(choices=[choice] * choices, usage=usage)
        self.asked: dict[str, Any] = {}

    async def __call__(self, model: str, **kwargs: Any) -> Any:
        self.asked = {"model": model, **kwargs}
        return self.response


def select(provider: Provider, tool_choice: Any = "required") -> ToolRequestMessage:
    selector = ToolSelector("some-model", acompletion=provider)
    return asyncio.run(selector([user("Where?")], [TOOL], tool_choice=tool_choice))


def test_it_asks_a_completion_function() -> None:
    provider = Provider()
    request = select(provider)
    assert request.tool_calls[0].function.arguments == {"place": 1}
    assert request.info == {"usage": (7, 3), "model": "some-model"}
    assert provider.asked == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Where?"}],
        "tools": [TOOL.model_dump(by_alias=True)],
        "tool_choice": "required",
    }
    select(provider, TOOL)
    assert provider.asked["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    select(provider, None)
    assert "tool_choice" not in provider.asked


@pytest.mark.parametrize(
    ("provider", "tool_choice", "said"),
    [
        (Provider(choices=2), "required", "Expected one choice"),
        (Provider(finish="length"), "required", "got 'length'"),
        (Provider(finish="stop"), "auto", "got 'stop'"),
        (Provider(tool_calls=None), "required", "into a tool request message"),
    ],
)
def test_malformed_replies(provider: Provider, tool_choice: str, said: str) -> None:
    with pytest.raises(MalformedMessageError, match=said) as raised:
        select(provider, tool_choice)
    assert said != "into a tool request message" or isinstance(raised.value.__cause__, ValidationError)


def test_a_forced_call_may_end_with_stop() -> None:
    assert select(Provider(finish="stop")).tool_calls
    assert select(Provider(finish="stop"), TOOL).tool_calls


def test_the_ledger_can_be_written_down() -> None:
    ledger = ToolSelectorLedger(tools=[TOOL], messages=[user("a"), ToolRequestMessage(tool_calls=[CALL])])
    dumped = ledger.model_dump(by_alias=True)
    assert [message["role"] for message in dumped["messages"]] == ["user", "assistant"]
    assert ToolSelectorLedger.model_validate(dumped).messages == ledger.messages
