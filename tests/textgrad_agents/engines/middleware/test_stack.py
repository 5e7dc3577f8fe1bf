from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from textgrad_agents.engines import (
    Budget,
    Cache,
    ChatEngine,
    Fallback,
    LLMConfig,
    RulebookEngine,
    ScriptedEngine,
    Stack,
)
from textgrad_agents.engines.middleware import Try
from textgrad_agents.errors import BudgetError, ConfigError, EngineAccessError, EngineError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import user


def chat(url: str = "http://localhost:1/v1", **fields: Any) -> ChatEngine:
    prices = {"input_price_per_million": 1.0, "output_price_per_million": 1.0}
    return ChatEngine(LLMConfig(**{"name": "m", "model_string": "m", "base_url": url} | prices | fields))


def layers(engine: Any) -> list[str]:
    names = [type(engine).__name__]
    while (engine := getattr(engine, "engine", None)) is not None:
        names.append(type(engine).__name__)
    return names


def ask(engine: Engine, **options: Any) -> str:
    return asyncio.run(engine.generate([user("hello")], GenerateOptions(**options))).text


def test_the_order() -> None:
    stack = Stack(budget=Budget(usd=1.0), cache=Cache())
    assert layers(stack(chat(requests_per_minute=60))) == [
        "Cached",
        "Deadline",
        "Retried",
        "Limited",
        "Paced",
        "Budgeted",
        "CircuitBreaker",
        "Metered",
        "ChatEngine",
    ]
    plain = Stack(deadline=None)
    assert layers(plain(chat())) == ["Retried", "Limited", "CircuitBreaker", "Metered", "ChatEngine"]


def test_an_engine_of_this_process_is_counted_and_nothing_else() -> None:
    assert layers(Stack(cache=Cache())(RulebookEngine())) == ["Metered", "RulebookEngine"]
    budgeted = Stack(budget=Budget(calls=1))(ScriptedEngine(["one", "two"]))
    assert layers(budgeted) == ["Budgeted", "Metered", "ScriptedEngine"]
    assert ask(budgeted) == "one"
    with pytest.raises(BudgetError):
        ask(budgeted)


def test_engines_of_one_server_share_its_lane_and_engines_of_one_account_its_pace() -> None:
    stack = Stack(concurrency=3)
    one, same, other = (stack(chat(f"http://localhost:{port}/v1")) for port in (1, 1, 2))

    def lane(engine: Any) -> Any:
        return engine.engine.engine.lane

    assert lane(one) is lane(same) is not lane(other)
    assert lane(one).most == 3

    def pace(engine: Any) -> Any:
        return engine.engine.engine.engine.requests

    slow = {"requests_per_minute": 5.0}
    paced, again, another = stack(chat(**slow)), stack(chat(**slow)), stack(chat(name="n", **slow))
    assert pace(paced) is pace(again) is not pace(another)


def test_every_try_is_told(chat_server: Any) -> None:
    tries: list[Try] = []
    chat_server.fail(503)
    chat_server.say(None)
    chat_server.say("at last")
    engine = Stack(on_try=tries.append, first_wait=0.001)(chat(chat_server.url))
    assert ask(engine, role="critic") == "at last"
    assert [(one.engine, one.role, one.number, one.outcome) for one in tries] == [
        ("m", "critic", 1, "overloaded"),
        ("m", "critic", 2, "empty"),
        ("m", "critic", 3, "answered"),
    ]
    assert [one.wait is not None for one in tries] == [True, True, False]
    assert [one.cost_usd for one in tries] == [None, pytest.approx(18e-6), pytest.approx(18e-6)]
    assert all(one.seconds > 0 for one in tries)
    chat_server.fail(401)
    with pytest.raises(EngineAccessError):
        ask(engine)
    assert (tries[-1].outcome, tries[-1].wait) == ("key", None)


def test_nothing_is_counted_that_is_not_sent(chat_server: Any) -> None:
    stack = Stack(budget=Budget(calls=1))
    engine = stack(chat(chat_server.url))
    ask(engine)
    with pytest.raises(BudgetError):
        ask(engine)
    assert len(chat_server.requests) == stack.meter.tally().calls == 1


def test_a_call_that_waits_for_its_next_try_holds_no_turn(chat_server: Any) -> None:
    chat_server.fail(500)
    engine = Stack(concurrency=1, first_wait=0.4)(chat(chat_server.url))
    order: list[str] = []

    async def go(name: str) -> None:
        await engine.generate([user(name)])
        order.append(name)

    async def both() -> None:
        first = asyncio.ensure_future(go("first"))
        await asyncio.sleep(0.1)
        await go("second")
        await first

    asyncio.run(both())
    assert order == ["second", "first"]


def test_a_chain_of_stacks(chat_server: Any, second_server: Any) -> None:
    second_server.say("from the second")
    for _ in range(3):
        chat_server.fail(500)
    stack = Stack(attempts=3, first_wait=0.001)
    assert ask(Fallback([stack(chat(chat_server.url)), stack(chat(second_server.url))])) == "from the second"
    assert (len(chat_server.requests), stack.meter.tally().calls) == (3, 4)


@pytest.mark.parametrize("setting", ["attempts", "concurrency", "deadline"])
def test_a_setting_that_cannot_be_used_is_said_when_the_engine_is_wrapped(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        Stack(**{setting: 0})(chat())


def test_the_server_is_asked_no_more_at_once_than_allowed(faults: Any) -> None:
    plan = faults.Plan(seed=2, rate=0.2, kinds={"500": 1, "reset": 1}, latency=faults.lognormal(0.005, 0.5))
    with faults.faulty(plan) as (server, url):
        engine = Stack(concurrency=7, first_wait=0.001)(chat(url))

        async def many() -> None:
            await asyncio.gather(*(engine.generate([user(f"call {n}")]) for n in range(200)))

        asyncio.run(many())
    assert server.peak == 7


def test_a_random_tower_of_faults_ends(faults: Any) -> None:
    """Whatever is thrown at a stack with everything in it, each call ends with an answer or an EngineError."""
    dice = random.Random(3)
    plan = faults.Plan(seed=3, rate=0.5, retry_after=0.02, hang=30, latency=faults.lognormal(0.002, 1.0))
    with faults.faulty(plan) as (server, url):
        config = {"timeout": 0.5, "requests_per_minute": 60_000.0, "tokens_per_minute": 6e8, "max_tokens": 50}
        stack = Stack(budget=Budget(usd=1.0, tokens=10**6), cache=Cache(), concurrency=16, first_wait=0.01, deadline=20)
        engines = [stack(chat(url, stream=stream, **config)) for stream in (False, True)]

        async def ask(number: int) -> str:
            try:
                task = engines[number % 2].generate([user(f"call {number % 150}")], GenerateOptions(seed=1))
                if dice.random() < 0.1:
                    return (await asyncio.wait_for(task, dice.random() * 0.2)).text
                return (await task).text
            except (EngineError, TimeoutError):
                return ""

        async def many() -> list[str]:
            return await asyncio.gather(*(ask(number) for number in range(200)))

        texts = asyncio.run(many())
    assert not any(faults.WRONG in text for text in texts)
    assert stack.lane(url)._running == 0
    assert len(stack.lane(url)._queue) == 0
    assert stack.budget is not None
    assert stack.budget._database.read("SELECT COUNT(*) FROM reserved") == [(0,)]
    assert sum(server.served.values()) > 150
