"""Modules: actions in words, reflection, thoughts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents.modules import ReflectModule, ReflectModuleConfig, ThoughtModule, parse_message
from textgrad_agents.errors import MalformedMessageError
from textgrad_agents.messages import Message, user
from textgrad_agents.tools import Tool


def none() -> None:
    """No arguments."""


def number(x: float) -> None:
    """One number."""


def text(x: str) -> None:
    """One text."""


def both(x: str, y: int = 1) -> None:
    """Two arguments, one of which may be left out."""


def many(x: list[int]) -> None:
    """Many numbers."""


def three(x: str, y: int, z: str) -> None:
    """Three arguments."""


TOOLS = [
    Tool.from_function(one, allow_empty_param_descriptions=True) for one in (none, number, text, both, many, three)
]


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("Action: none\nAction Input:", {}),
        ("Action: none", {}),
        ("Action:number\nAction Input: (1,)", {"x": 1}),
        ("  Action: number  \n  Action Input: (1.1)", {"x": 1.1}),
        ("Action: text\nAction Input: R2D2 from Star Wars", {"x": "R2D2 from Star Wars"}),
        ("Action: text\nAction Input: Hello, world", {"x": "Hello, world"}),
        ("Action: text\nAction Input: 1, 2, 3", {"x": "1, 2, 3"}),
        ('Action: text\nAction Input: "Hello, (world)"', {"x": "Hello, (world)"}),
        ("Action: text\nAction Input: (Bertrand Russell)", {"x": "Bertrand Russell"}),
        ("Action: both\nAction Input: only this", {"x": "only this"}),
        ('Action: both\nAction Input: "New York, NY", 7', {"x": "New York, NY", "y": 7}),
        ("Action: both\nAction Input: a-b-5d7, 1697", {"x": "a-b-5d7", "y": 1697}),
        ("Action: many\nAction Input: 1, 2, 3", {"x": [1, 2, 3]}),
        ("Action: three\nAction Input: (Ada, 2, Grace)", {"x": "Ada", "y": 2, "z": "Grace"}),
        ("Action: number\nAction Input: 1\nObservation: 2\nAction: none", {"x": 1}),
        ("```\nThought: x\nAction: number\nAction Input: 1\n```\nAction: number\nAction Input: 2", {"x": 1}),
    ],
)
def test_actions_in_words(action: str, arguments: dict[str, Any]) -> None:
    request = parse_message(Message(content=f"Well.\n{action}"), TOOLS)
    (call,) = request.tool_calls
    assert call.function.arguments == arguments


def test_the_first_thought_is_kept() -> None:
    said = Message(content="Thought: one\nAction: none\nThought: two")
    assert parse_message(said, TOOLS).content == "one"
    assert said.content == "Thought: one\nAction: none\nThought: two"
    assert parse_message(Message(content="Action: none"), TOOLS).content is None


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "no line 'Action: NAME'"),
        (None, "no line 'Action: NAME'"),
        ("Action: fly", "'fly' is none of the tools none, number"),
        ("Action: three\nAction Input: 1, 2", "takes x, y, z, and the input '1, 2' holds 2"),
        ("Action: number\nAction Input: 1, 2", "takes x, and the input '1, 2' holds 2"),
        ("Action: none\nAction Input: 5", "takes no arguments"),
        ("Action: both\nAction Input: 1, 2, 3", "takes x, y"),
    ],
)
def test_what_is_no_action_is_said(said: str | None, problem: str) -> None:
    with pytest.raises(MalformedMessageError, match=problem):
        parse_message(Message(content=said), TOOLS)


@pytest.mark.parametrize(
    ("reply", "final"),
    [
        ("Wrong.\n<final-response>You are happy.</final-response>", "You are happy."),
        ("<final-response>cut off", "cut off"),
        ("No tags at all.", "You are sad."),
        ("<final-response> </final-response>", "You are sad."),
    ],
)
def test_reflection_gives_the_better_response(reply: str, final: str) -> None:
    engine = ScriptedEngine([reply])
    with Session(engine=engine):
        result = asyncio.run(ReflectModule(ReflectModuleConfig())("I am happy. How do I feel?", "You are sad."))
    assert result.value == final
    assert "How do I feel?" in engine.calls[0].messages[1].text
    assert [one.call.op.name for one in result.traverse() if one.call] != []


def test_a_thought_between_two_prompts() -> None:
    engine = ScriptedEngine(["I think so."])
    with Session(engine=engine):
        module = ThoughtModule("x", "You are {who}.", "Think about {what}.")
        result = asyncio.run(module([user("Hi")], {"who": "a cat"}, {"what": "mice"}))
    assert result.value.content == "I think so."
    assert [one.text for one in engine.calls[0].messages] == ["You are a cat.", "Hi", "Think about mice."]
