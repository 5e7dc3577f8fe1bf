"""Sessions: engines by role, nesting, sharing between tasks and threads, seeds, the limit on concurrent calls."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError, GraphError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import user
from textgrad_agents.ops import op
from textgrad_agents.session import Session, current_session
from textgrad_agents.variables import Variable


@op
async def slowly(text: str) -> str:
    await asyncio.sleep(0.03)
    return text + "!"


def test_engines_by_role_and_the_one_for_all() -> None:
    anyone, critic = ScriptedEngine([]), ScriptedEngine([])
    session = Session(anyone, critic_engine=critic)
    assert session.engine("critic") is critic
    assert session.engine("actor") is session.engine("optimizer") is session.engine() is anyone


def test_a_missing_engine_is_said_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"role 'critic'.*Session\(engine"):
        Session(actor=ScriptedEngine([])).engine("critic")


def test_concurrency_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        Session(concurrency=0)


def test_sessions_nest_and_are_left_in_order() -> None:
    outside = current_session()
    with Session() as outer:
        with Session() as inner:
            assert current_session() is inner
        assert current_session() is outer
        with outer:
            assert current_session() is outer
        assert current_session() is outer
    assert current_session() is outside


def test_one_session_entered_by_many_tasks_and_threads() -> None:
    session = Session()

    async def use(delay: float) -> bool:
        async with session:
            await asyncio.sleep(delay)
            return current_session() is session

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(use(0.001 * (7 * i % 10)) for i in range(10)))

    assert all(asyncio.run(all_of_them()))

    def in_thread(_: int) -> bool:
        with session:
            return current_session() is session

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(in_thread, range(64)))


def test_a_thread_without_a_session_gets_its_own() -> None:
    seen: list[Session] = []
    with Session() as session:
        thread = threading.Thread(target=lambda: seen.append(current_session()))
        thread.start()
        thread.join()
    assert seen != [session]


def test_leaving_waits_for_calls_under_way() -> None:
    with Session():
        results = [slowly(text) for text in "abc"]
    assert [result.value for result in results] == ["a!", "b!", "c!"]


def test_leaving_asynchronously_waits_without_blocking_the_loop() -> None:
    from textgrad_agents.ops.base import FxnOp

    class Portable(FxnOp):
        portable = True

    async def work(text: str) -> str:
        await asyncio.sleep(0.05)
        return text

    async def program() -> tuple[int, str]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticker = asyncio.ensure_future(tick())
        async with Session():
            result = Portable(work)("x")
        ticker.cancel()
        return ticks, result.value

    ticks, value = asyncio.run(program())
    assert ticks >= 2
    assert value == "x"


def test_leaving_with_an_error_cancels_calls_under_way() -> None:
    @op
    async def endless() -> None:
        await asyncio.Event().wait()

    def program() -> None:
        with Session():
            results.append(endless())
            _ = 1 / 0

    results: list[Variable] = []
    with pytest.raises(ZeroDivisionError):
        program()
    with pytest.raises(GraphError, match="endless was cancelled"):
        _ = results[0].value


def test_calls_at_once_are_limited_per_loop() -> None:
    under_way = most = 0

    class Counting:
        name = "counting"

        async def generate(self, messages, options=None):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.005)
            under_way -= 1

    async def program() -> None:
        session = Session(concurrency=3)
        engine = Counting()
        await asyncio.gather(*(session.ask(engine, [user("x")], GenerateOptions()) for _ in range(12)))

    asyncio.run(program())
    assert most == 3


def test_seeds_depend_on_the_place_and_on_how_often_it_was_asked() -> None:
    one, other = Session(seed=5), Session(seed=5)
    firsts = [one.seed_of("a"), one.seed_of("b"), one.seed_of("a")]
    assert len(set(firsts)) == 3
    seconds = [other.seed_of("b"), other.seed_of("a"), other.seed_of("a")]
    assert seconds == [firsts[1], firsts[0], firsts[2]]
    assert Session(seed=6).seed_of("a") != firsts[0]


def test_places_of_one_kind_have_seeds_of_their_own_in_the_order_in_which_they_are_entered() -> None:
    def seeds(*, asked_before: int) -> list[int]:
        session = Session(seed=5)
        found: list[int] = []
        for _ in range(2):
            with session.at_place("rollout"):
                found += [session.seed_of("a"), session.seed_of("a")]
                with session.at_place("sample"):
                    found.append(session.seed_of("a"))
            for _ in range(asked_before):
                session.seed_of("a")
        return [*found, session.seed_of("b")]

    assert len(set(seeds(asked_before=0))) == 7
    assert seeds(asked_before=0) == seeds(asked_before=3)


def test_runs_and_calls_are_numbered_per_session() -> None:
    session = Session()
    assert [session.next_run(), session.next_run(), session.next_call(), session.next_call()] == [1, 2, 0, 1]
