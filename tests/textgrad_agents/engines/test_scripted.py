from __future__ import annotations

import asyncio

import pytest

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, Usage, system, user


def ask(engine: Engine, text: str = "hello", **options: object) -> Completion:
    return asyncio.run(engine.generate([user(text)], GenerateOptions(**options)))


def test_it_is_an_engine() -> None:
    assert isinstance(ScriptedEngine([]), Engine)
    assert ScriptedEngine([]).name == "scripted"


def test_replies_come_in_order_and_calls_are_kept() -> None:
    exact = Completion("exact", usage=Usage(5, 2), model="m")
    engine = ScriptedEngine(["first", exact])
    assert ask(engine, "one", seed=1).text == "first"
    assert ask(engine, "two", seed=2) is exact
    assert [call.messages[0].text for call in engine.calls] == ["one", "two"]
    assert [call.options.seed for call in engine.calls] == [1, 2]


def test_a_text_reply_gets_an_estimated_usage() -> None:
    completion = ask(ScriptedEngine(["a reply of some words"]), "how long is this?")
    assert completion.usage == Usage(
        estimate_tokens("how long is this?"), estimate_tokens("a reply of some words"), estimated=True
    )
    assert completion.model == "scripted"


def test_running_out_says_how_many_replies_there_were() -> None:
    engine = ScriptedEngine(["only"])
    ask(engine)
    with pytest.raises(EngineError, match="has 1 replies and was asked for one more"):
        ask(engine)


def test_an_exception_is_raised_in_its_turn() -> None:
    engine = ScriptedEngine([EngineError("down", transient=True), "up"])
    with pytest.raises(EngineError, match="down"):
        ask(engine)
    assert ask(engine).text == "up"


def test_a_mapping_answers_by_what_the_conversation_holds() -> None:
    engine = ScriptedEngine({"critic": "feedback", "": "anything else"})
    conversation = [system("You are a critic."), user("hello")]
    assert asyncio.run(engine.generate(conversation)).text == "feedback"
    assert ask(engine).text == "anything else"
    with pytest.raises(EngineError, match=r"none of \['x'\] is in 'hello'"):
        ask(ScriptedEngine({"x": "y"}))


def test_a_function_answers_from_messages_and_options() -> None:
    engine = ScriptedEngine(lambda messages, options: f"{messages[-1].text}@{options.temperature}")
    assert ask(engine, "hi", temperature=0.5).text == "hi@0.5"


def test_a_text_is_no_script() -> None:
    with pytest.raises(ConfigError, match="must be a list"):
        ScriptedEngine("abc")


def test_latencies_of_concurrent_calls_overlap_and_keep_the_order_of_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    slept, all_there = list[float](), asyncio.Barrier(20)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.wait_for(all_there.wait(), 60)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    engine = ScriptedEngine([str(index) for index in range(20)], latency=0.05)

    async def all_at_once() -> list[str]:
        completions = await asyncio.gather(*(engine.generate([user("x")]) for _ in range(20)))
        return [completion.text for completion in completions]

    assert asyncio.run(all_at_once()) == [str(index) for index in range(20)]
    assert slept == [0.05] * 20
