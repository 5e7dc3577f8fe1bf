"""Where a loop runs already, as in a notebook: plain code over pending values is read without `await`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.ops import LLMCall, RewardLoss, StringBasedFunction, TextLoss, concat, op, sum
from textgrad_agents.session import Session
from textgrad_agents.variables import Variable


@op
def shout(text: str) -> str:
    return text.upper()


MAKERS: dict[str, Callable[[Variable[Any]], Variable[Any]]] = {
    "function": shout,
    "sum": lambda text: sum([text, text]),
    "concat": lambda text: concat(text, "!"),
    "plus": lambda text: text + "!",
    "string based": lambda text: StringBasedFunction(lambda text: f"<{text}>", "puts in brackets")({"text": text}),
    "reward": lambda text: RewardLoss(len)(text),
    "another call": lambda text: LLMCall()(text),
}


@pytest.mark.parametrize("made", MAKERS)
def test_a_value_over_a_pending_one_is_read_in_place(made: str) -> None:
    async def cell() -> None:
        engine = ScriptedEngine({"": "hi"}, latency=0.01)
        with Session(engine):
            question = Variable("question", role_description="question")
            result = MAKERS[made](LLMCall()(question))
            assert result.value in ("HI", "hi\nhi", "hi!", "<hi>", 2.0, "hi")

    asyncio.run(cell())


def test_backward_from_a_sum_of_pending_losses() -> None:
    async def cell() -> str:
        with Session(ScriptedEngine({"## Answer format": '{"messages": "be clear"}', "": "hi"}, latency=0.01)):
            question = Variable("question", role_description="question")
            judge = TextLoss("judge")
            sum([judge(question), judge(question)]).backward()
            return question.gradient_text()

    assert asyncio.run(cell()) == "be clear\nbe clear"


@pytest.mark.parametrize("kind", ["op", "string based", "reward"])
def test_async_code_stays_on_the_callers_loop(kind: str) -> None:
    threads: list[threading.Thread] = []

    async def where(text: str) -> float:
        threads.append(threading.current_thread())
        return 0.5

    makers: dict[str, Callable[[Any], Any]] = {
        "op": op(where),
        "string based": lambda text: StringBasedFunction(where, "tests")({"text": text}),
        "reward": RewardLoss(where),
    }

    async def main() -> None:
        with Session(ScriptedEngine({"": "hi"}, latency=0.01)):
            pending = LLMCall()(Variable("question", role_description="question"))
            await makers[kind](pending)
            await makers[kind](Variable("ready", role_description="text"))

    asyncio.run(main())
    assert threads == [threading.main_thread()] * 2
