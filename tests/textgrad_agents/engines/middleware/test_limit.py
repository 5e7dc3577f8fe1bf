from __future__ import annotations

import asyncio
import threading

import pytest

from textgrad_agents.engines import Limited, ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, user


class Counting:
    """Knows how many of its calls run at once."""

    name = "counting"

    def __init__(self) -> None:
        self.running = 0
        self.most = 0

    async def generate(self, messages: list[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.001)
        self.running -= 1
        return Completion(messages[0].text)


async def many(engine: Limited, number: int) -> list[str]:
    calls = (engine.generate([user(str(index))]) for index in range(number))
    return [completion.text for completion in await asyncio.gather(*calls)]


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_than_so_many_at_once(concurrency: int) -> None:
    inner = Counting()
    assert asyncio.run(many(Limited(inner, concurrency), 20)) == [str(index) for index in range(20)]
    assert inner.most == concurrency


def test_one_wrapper_serves_several_loops() -> None:
    engine = Limited(ScriptedEngine(lambda *_: "ok", latency=0.001), 2)
    for _ in range(2):
        assert asyncio.run(many(engine, 5)) == ["ok"] * 5
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.extend(asyncio.run(many(engine, 5)))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["ok"] * 15


def test_a_failed_call_frees_its_slot() -> None:
    engine = Limited(ScriptedEngine([EngineError("down"), "up"]), 1)

    async def twice() -> str:
        with pytest.raises(EngineError, match="down"):
            await engine.generate([user("x")])
        return (await engine.generate([user("x")])).text

    assert asyncio.run(twice()) == "up"


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        Limited(ScriptedEngine([]), 0)
