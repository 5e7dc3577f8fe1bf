"""No run spends more than its budget, whatever servers say or do not say; and nearly all of it can be used."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines import Budget, Budgeted, ChatEngine, Limited, LLMConfig, Retried, RulebookEngine, Stack
from textgrad_agents.engines.base import most_tokens
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.errors import BudgetError, ConfigError, EngineError, EngineReplyError, FileFormatError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall, ToolCallFunction, Usage, user

NANO = 10**9
HELLO = [user("hello")]


class Provider:
    """Charges for each call a random part of what the call may use, and tells so, or not, or breaks off.

    Attributes:
        owed_nano, owed_tokens, calls: what it charged, by its own account.
    """

    name = "provider"
    server = "http://provider.example/v1"

    def __init__(self, dice: random.Random, *, most: Usage, price: int) -> None:
        self.dice = dice
        self.most = most
        self.price = price  # nano-dollars per token
        self.owed_nano = self.owed_tokens = self.calls = 0

    def cost(self, usage: Usage) -> float:
        return (usage.input_tokens + usage.output_tokens) * self.price / NANO

    def most_usage(self, messages: Sequence[Message], options: GenerateOptions) -> Usage:
        return self.most

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        self.calls += 1
        for _ in range(self.dice.randint(0, 3)):
            await asyncio.sleep(0)
        usage = Usage(self.dice.randint(0, self.most.input_tokens), self.dice.randint(0, self.most.output_tokens))
        how = self.dice.random()
        if how < 0.1:
            raise make_fault("server", "no", EngineError)  # not charged
        self.owed_tokens += usage.input_tokens + usage.output_tokens
        self.owed_nano += (usage.input_tokens + usage.output_tokens) * self.price
        if how < 0.2:
            raise make_fault("lost", "no", EngineError)  # charged, and nobody says so
        if how < 0.3:
            raise make_fault("empty", "no", EngineReplyError, usage=usage)
        if how < 0.4:
            return Completion("x", usage=Usage(1, 1, estimated=True))  # a server that does not count
        if how < 0.42:
            raise asyncio.CancelledError
        return Completion("x", usage=usage)


async def spend(engine: Engine, workers: int = 64) -> None:
    """Ask until the budget is spent."""

    async def work() -> None:
        while True:
            try:
                await asyncio.ensure_future(engine.generate(HELLO))
            except BudgetError:
                return
            except (EngineError, asyncio.CancelledError):
                pass

    await asyncio.gather(*(work() for _ in range(workers)))


def run_once(seed: int) -> None:
    """One random run, and what must be true of it."""
    dice = random.Random(seed)
    most = Usage(dice.randint(1, 300), dice.randint(1, 300))
    provider = Provider(dice, most=most, price=dice.randint(1, 10**6))
    largest = most.input_tokens + most.output_tokens
    tokens = largest * dice.randint(25, 120)
    by = dice.choice(["usd", "tokens", "both", "calls"])
    budget = Budget(
        usd=tokens * provider.price / NANO if by in ("usd", "both") else None,
        tokens=tokens + (largest if by == "both" else 0) if by in ("tokens", "both") else None,
        calls=dice.randint(20, 120) if by == "calls" else None,
    )
    asyncio.run(spend(Retried(Budgeted(provider, budget), first_wait=0.0, attempts=dice.randint(1, 4))))
    spent = budget.spent()
    assert provider.calls == spent.calls
    assert provider.owed_tokens <= spent.tokens
    assert provider.owed_nano <= round(spent.usd * NANO)
    if budget.usd is not None:
        assert spent.usd <= budget.usd
        assert spent.usd >= 0.95 * budget.usd
    elif budget.tokens is not None:
        assert 0.95 * budget.tokens <= spent.tokens <= budget.tokens
    else:
        assert spent.calls == budget.calls
    budget.close()


def test_no_run_spends_more_and_each_can_spend_nearly_all() -> None:
    for seed in range(200):
        run_once(seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_run_of_a_thousand_spends_more() -> None:
    for seed in range(1000, 2000):
        run_once(seed)


class TestReservations:
    def test_what_is_not_known_to_be_used_is_owed(self) -> None:
        class Says(Provider):
            async def generate(
                self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS
            ) -> Completion:
                return await self.dice.reply()  # type: ignore[attr-defined, no-any-return]

        def charged(outcome: Any) -> int:
            class Dice:
                async def reply(self) -> Any:
                    if isinstance(outcome, BaseException):
                        raise outcome
                    return outcome

            budget = Budget(tokens=1000)
            engine = Budgeted(Says(Dice(), most=Usage(60, 40), price=1), budget)  # type: ignore[arg-type]
            with contextlib.suppress(EngineError, asyncio.CancelledError, KeyError):
                asyncio.run(engine.generate(HELLO))
            return budget.spent().tokens

        assert charged(Completion("x", usage=Usage(2, 3))) == 5
        assert charged(Completion("x", usage=Usage(2, 3, estimated=True))) == 100
        assert charged(Completion("x", usage=Usage(200, 300))) == 500  # a server that breaks its own cap
        assert charged(make_fault("empty", "", EngineError, usage=Usage(2, 3))) == 5
        assert charged(make_fault("stream_cut", "", EngineError, usage=Usage(2, 3, estimated=True))) == 100
        assert charged(make_fault("timeout", "", EngineError)) == 100
        assert charged(make_fault("rate_limit", "", EngineError)) == 0
        assert charged(EngineError("of an unknown kind")) == 100
        assert charged(KeyError("a bug")) == 100
        assert charged(asyncio.CancelledError()) == 100

    def test_a_call_waits_while_only_reservations_stand_in_its_way(self) -> None:
        budget = Budget(tokens=100)
        first = budget.reserve(0.0, 60)
        assert first is not None
        assert budget.reserve(0.0, 60) is None
        budget.settle(first, 0.0, 10)
        second = budget.reserve(0.0, 60)
        assert second is not None
        budget.settle(second, 0.0, 60)
        with pytest.raises(BudgetError, match="of 100 tokens 70 are spent, and the next call may use 60"):
            budget.reserve(0.0, 60)
        assert budget.reserve(0.0, 30) is not None

    def test_a_call_that_would_never_fit_is_refused_at_once(self) -> None:
        budget = Budget(usd=0.01)
        with pytest.raises(BudgetError, match=r"of 0\.01 USD 0 are spent, and the next call may cost 0\.02; nothing"):
            budget.reserve(0.02, 1)

    def test_calls_are_counted_one_by_one(self) -> None:
        budget = Budget(calls=2)
        for _ in range(2):
            assert budget.reserve(0.0, 10) is not None
        with pytest.raises(BudgetError, match="the budget of 2 calls is spent"):
            budget.reserve(0.0, 10)

    def test_hours_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        budget = Budget(hours=1.0)
        assert budget.reserve(0.0, 10) is not None
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 3601)
        with pytest.raises(BudgetError, match=r"the 1 hours of the run are over"):
            budget.reserve(0.0, 10)

    def test_a_spent_budget_is_no_reason_to_try_again(self) -> None:
        provider = Provider(random.Random(1), most=Usage(10, 10), price=1)
        with pytest.raises(BudgetError) as caught:
            asyncio.run(Retried(Budgeted(provider, Budget(tokens=5))).generate(HELLO))
        assert provider.calls == 0
        assert (caught.value.kind, caught.value.transient) == ("budget", False)

    @given(st.lists(st.floats(0, 1e-3), max_size=30))
    def test_sums_are_exact_to_the_nano_dollar(self, costs: list[float]) -> None:
        budget = Budget(usd=1000.0)
        for cost in costs:
            reservation = budget.reserve(cost, 0)
            assert reservation is not None
            budget.settle(reservation, cost, 0)
        spent = budget.spent().usd
        assert sum(costs) - 1e-12 <= spent <= sum(costs) + 1e-9 * len(costs) + 1e-12


def spend_from(path: Path, seed: int, results: Any) -> None:
    """A process of several threads that spends from a shared budget; tells what its providers are owed."""
    budget = Budget(tokens=20_000, path=path)
    providers = [Provider(random.Random(seed + n), most=Usage(60, 40), price=1) for n in range(4)]
    threads = [
        threading.Thread(target=lambda one=one: asyncio.run(spend(Budgeted(one, budget), 16))) for one in providers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(sum(one.owed_tokens for one in providers))
    budget.close()


def hold_and_die(path: Path) -> None:
    assert Budget(tokens=100, path=path).reserve(0.0, 60) is not None


class TestSharing:
    def test_threads_and_processes_spend_one_budget(self, tmp_path: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        results = spawn.Queue()
        path = tmp_path / "budget.sqlite"
        workers = [spawn.Process(target=spend_from, args=(path, 100 * n, results)) for n in range(3)]
        for worker in workers:
            worker.start()
        owed = sum(results.get(timeout=60) for _ in workers)
        for worker in workers:
            worker.join()
        budget = Budget(tokens=20_000, path=path)
        assert owed <= budget.spent().tokens <= 20_000
        assert budget.spent().tokens >= 0.95 * 20_000
        budget.close()

    def test_what_a_dead_process_had_reserved_is_owed(self, tmp_path: Path) -> None:
        path = tmp_path / "budget.sqlite"
        worker = multiprocessing.get_context("spawn").Process(target=hold_and_die, args=(path,))
        worker.start()
        worker.join()
        budget = Budget(tokens=100, path=path)
        assert budget.reserve(0.0, 60) is None  # the moment when the dead are found
        with pytest.raises(BudgetError, match="60 are spent"):
            budget.reserve(0.0, 60)
        budget.close()

    def test_an_account_goes_on_where_it_stopped_under_the_limits_of_today(self, tmp_path: Path) -> None:
        path = tmp_path / "folder" / "budget.sqlite"
        for limit, fits in ((100, True), (100, False), (200, True)):
            budget = Budget(tokens=limit, path=path)
            if fits:
                reservation = budget.reserve(0.0, 80)
                assert reservation is not None
                budget.settle(reservation, 0.5, 80)
            else:
                with pytest.raises(BudgetError):
                    budget.reserve(0.0, 80)
            budget.close()
        assert Budget(path=path).spent().usd == 1.0

    def test_a_file_that_is_no_account_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_text("no account, but long enough to be a page of something" * 100)
        with pytest.raises(FileFormatError, match="budget file"):
            Budget(path=tmp_path / "x")


class TestPrices:
    @pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
    @pytest.mark.parametrize("name", ["usd", "calls", "tokens", "hours"])
    def test_a_limit_that_is_none_is_refused(self, name: str, limit: Any) -> None:
        with pytest.raises(ConfigError, match=f"number above 0, got {name}="):
            Budget(**{name: limit})

    def test_an_unknown_price_with_a_budget_in_usd_refuses_to_start(self) -> None:
        engine = ChatEngine(LLMConfig(name="new", model_string="new", base_url="http://localhost:1/v1"))
        with pytest.raises(ConfigError, match=r"the price of new is not known.*input_price_per_million"):
            Stack(budget=Budget(usd=1.0))(engine)
        Stack(budget=Budget(calls=5, tokens=5, hours=5))(engine)
        free = LLMConfig(
            name="free",
            model_string="m",
            base_url="http://localhost:1/v1",
            input_price_per_million=0.0,
            output_price_per_million=0.0,
        )
        Stack(budget=Budget(usd=1.0))(ChatEngine(free))
        Stack(budget=Budget(usd=1.0))(RulebookEngine())

    def test_a_price_of_nan_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="input_price_per_million"):
            LLMConfig(name="m", model_string="m", input_price_per_million=float("nan"))

    def test_the_most_that_a_call_may_cost_follows_from_its_cap(self) -> None:
        config = LLMConfig(name="m", model_string="m", base_url="http://localhost:1/v1", max_tokens=50)
        engine = ChatEngine(config)
        assert engine.most_usage(HELLO, DEFAULT_OPTIONS).output_tokens == 50
        assert engine.most_usage(HELLO, GenerateOptions(max_tokens=7)).output_tokens == 7
        assert engine.most_usage(HELLO, GenerateOptions(max_tokens=7, extra={"n": 3})).output_tokens == 21
        o1 = ChatEngine(LLMConfig(name="o1", model_string="o1", max_tokens=9))
        assert o1.most_usage(HELLO, DEFAULT_OPTIONS).output_tokens == 9
        assert Retried(Limited(engine, 1)).most_usage(HELLO, DEFAULT_OPTIONS).output_tokens == 50


class TestMostTokens:
    @given(st.text())
    def test_no_tokenizer_makes_more_tokens_than_bytes(self, text: str) -> None:
        assert most_tokens([user(text)], DEFAULT_OPTIONS) >= len(text.encode(errors="replace"))

    def test_all_that_is_sent_counts(self) -> None:
        plain = most_tokens(HELLO, DEFAULT_OPTIONS)
        picture = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
        assert most_tokens([user(picture)], DEFAULT_OPTIONS) == plain + 40_000
        call = ToolCall(id="c", function=ToolCallFunction(name="f", arguments={"x": "y" * 500}))
        assert most_tokens([*HELLO, Message(role="assistant", tool_calls=(call,))], DEFAULT_OPTIONS) > plain + 500
        tool = {"type": "function", "function": {"name": "f", "description": "d" * 500}}
        assert most_tokens(HELLO, GenerateOptions(tools=(tool,))) > plain + 500
        assert most_tokens(HELLO, GenerateOptions(response_schema={"title": "t" * 500})) > plain + 500


@pytest.mark.parametrize("stream", [False, True])
def test_against_a_server_that_forgets_to_count_and_breaks_off(faults: Any, stream: bool) -> None:
    kinds = dict.fromkeys(["no_usage", "500", "429_rate", "reset", "short_body", "empty_content", "stream_cut"], 1.0)
    with faults.faulty(faults.Plan(seed=5, rate=0.5, kinds=kinds)) as (server, url):
        prices = {"input_price_per_million": 1e6, "output_price_per_million": 1e6}
        config = LLMConfig(name="m", model_string="m", base_url=url, max_tokens=40, stream=stream, **prices)
        budget = Budget(usd=20_000.0)
        engine = Stack(budget=budget, first_wait=0.001)(ChatEngine(config))

        async def go() -> None:
            async def ask(number: int) -> None:
                with contextlib.suppress(EngineError):
                    await engine.generate([user(f"call {number}")])

            await asyncio.gather(*(ask(number) for number in range(400)))

        asyncio.run(go())
    owed = server.billed.input_tokens + server.billed.output_tokens
    assert owed <= budget.spent().usd <= 20_000
    assert budget.spent().usd >= 0.95 * 20_000
    assert sum(server.served.values()) == budget.spent().calls


def test_a_process_name_is_of_this_process_alone() -> None:
    from textgrad_agents.engines.middleware import budget as module

    own = module._process(os.getpid())
    assert module._alive(own)
    assert not module._alive(own.rsplit(" ", 1)[0] + " 1")  # its number, but started at another time
    assert module._alive("elsewhere 5 17")
