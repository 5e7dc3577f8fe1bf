from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, LLMConfig, Meter, Metered, Retried, ScriptedEngine
from textgrad_agents.errors import EngineError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, Usage, user


def ask(engine: Engine, role: Any = "other") -> Completion:
    return asyncio.run(engine.generate([user("hello")], GenerateOptions(role=role)))


def priced_engine(server: Any, **fields: Any) -> ChatEngine:
    prices = {"input_price_per_million": 1_000_000.0, "output_price_per_million": 2_000_000.0}
    return ChatEngine(LLMConfig(**{"name": "m", "model_string": "m", "base_url": server.url} | prices | fields))


def test_calls_tokens_and_cost_by_role(chat_server: Any) -> None:
    meter = Meter()
    engine = Metered(priced_engine(chat_server), meter)
    ask(engine, "actor")
    chat_server.say(
        usage={"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 2}},
    )
    ask(engine, "actor")
    ask(engine, "critic")
    assert meter.tally("actor").usage == Usage(14, 11, cached_tokens=2)
    assert meter.tally("actor").cost_usd == 14 + 2 * 11
    assert meter.tally("optimizer").calls == 0
    assert meter.tally().calls == 3
    assert list(meter.snapshot()) == ["actor", "critic", "total"]
    assert meter.snapshot()["total"] == {
        "calls": 3,
        "failed": 0,
        "estimated": 0,
        "unpriced": 0,
        "cost_usd": 25 + 2 * 18,
        "input_tokens": 25,
        "output_tokens": 18,
        "cached_tokens": 2,
        "reasoning_tokens": 0,
    }
    json.dumps(meter.snapshot())


def test_a_meter_without_calls() -> None:
    assert Meter().snapshot()["total"]["calls"] == 0


def test_a_failed_call_that_was_charged_is_paid_for(chat_server: Any) -> None:
    meter = Meter()
    engine = Metered(priced_engine(chat_server), meter)
    chat_server.say(None)
    chat_server.fail(500)
    for _ in range(2):
        with pytest.raises(EngineError):
            ask(engine)
    tally = meter.tally()
    assert (tally.calls, tally.failed, tally.unpriced) == (2, 2, 0)
    assert tally.usage == Usage(11, 7)
    assert tally.cost_usd == 25


def test_inside_a_retry_every_try_counts(chat_server: Any) -> None:
    meter = Meter()
    chat_server.fail(500)
    ask(Retried(Metered(priced_engine(chat_server), meter), first_wait=0.001))
    assert (meter.tally().calls, meter.tally().failed) == (2, 1)


def test_an_unknown_price_is_counted_as_such(chat_server: Any) -> None:
    meter = Meter()
    engine = ChatEngine(LLMConfig(name="m", model_string="m", base_url=chat_server.url))
    ask(Metered(engine, meter))
    assert (meter.tally().unpriced, meter.tally().cost_usd) == (1, 0.0)


def test_estimates_are_counted_as_such_and_scripts_are_free() -> None:
    meter = Meter()
    ask(Metered(ScriptedEngine(["reply"]), meter))
    assert (meter.tally().estimated, meter.tally().unpriced, meter.tally().cost_usd) == (1, 0, 0.0)


def test_several_threads_lose_nothing() -> None:
    meter = Meter()

    def add_many() -> None:
        for _ in range(2000):
            meter.add("actor", Usage(1, 2), 0.5)

    threads = [threading.Thread(target=add_many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert meter.tally().usage == Usage(16_000, 32_000)
    assert meter.tally().cost_usd == 8_000
