"""Plain code beside a loop: one function at a time, whatever becomes of it."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest

from textgrad_agents.turns import Turns, waiting

name: ContextVar[str] = ContextVar("name")


def test_a_function_sees_its_callers_context_on_a_thread_of_its_own() -> None:
    name.set("here")
    assert asyncio.run(Turns().run(lambda: (name.get(), threading.current_thread().name))) == (
        "here",
        "textgrad-agents-plain",
    )


@pytest.mark.parametrize(
    ("raised", "met"), [(KeyError, KeyError), (StopIteration, RuntimeError), (KeyboardInterrupt, KeyboardInterrupt)]
)
def test_errors_come_out_and_the_next_has_its_turn(raised: type[BaseException], met: type[BaseException]) -> None:
    turns = Turns()

    def fail() -> None:
        raise raised("x")

    with pytest.raises(met):
        asyncio.run(turns.run(fail))
    assert asyncio.run(turns.run(lambda: 1)) == 1


def test_functions_begin_in_order_and_a_cancelled_one_never() -> None:
    turns, order, go = Turns(), list[int](), threading.Event()

    def long() -> None:
        assert go.wait(60)

    async def many() -> None:
        first = asyncio.create_task(turns.run(long))
        tasks = [asyncio.create_task(turns.run(lambda number=number: order.append(number))) for number in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *tasks, return_exceptions=True)

    asyncio.run(many())
    assert order == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_a_loop_that_closes_leaves_the_turns_in_order() -> None:
    turns, begun, go = Turns(), threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        assert go.wait(60)

    async def leave() -> None:
        task = asyncio.create_task(turns.run(long))
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()

    asyncio.run(leave())
    go.set()
    assert asyncio.run(turns.run(lambda: "next")) == "next"


def test_a_function_that_waits_has_its_turn_again_when_no_other_has() -> None:
    turns, inside, most = Turns(), 0, 0

    def run_alone() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.001)
        inside -= 1

    def patient(others: threading.Barrier) -> None:
        run_alone()
        with waiting():
            others.wait(60)
        run_alone()

    async def many() -> None:
        others = threading.Barrier(8)
        await asyncio.gather(*(turns.run(lambda: patient(others)) for _ in range(8)))

    asyncio.run(many())
    assert most == 1


def test_elsewhere_waiting_is_nothing() -> None:
    with waiting():
        pass
