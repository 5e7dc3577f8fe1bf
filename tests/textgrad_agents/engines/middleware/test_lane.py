from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

import pytest

from textgrad_agents.engines import Limited
from textgrad_agents.engines.middleware import Lane, lane
from textgrad_agents.errors import EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, user


class Server:
    """Complains when it is asked more than it bears at once."""

    name = "server"

    def __init__(self, bears: int) -> None:
        self.bears = bears
        self.running = 0
        self.most = 0
        self.complaints = 0
        self.answers = 0

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.002)
            if self.running > self.bears:
                self.complaints += 1
                raise EngineError("slow down", transient=True, kind="rate_limit")
            self.answers += 1
            return Completion("ok")
        finally:
            self.running -= 1


async def ask_many(engine: Limited, number: int) -> None:
    async def ask() -> None:
        while True:
            try:
                await engine.generate([user("x")])
            except EngineError:
                continue
            return

    await asyncio.gather(*(ask() for _ in range(number)))


def test_complaints_lower_the_number_of_calls_and_answers_raise_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_CUT_SECONDS", 0.02)
    server = Server(bears=8)
    engine = Limited(server, 64)
    asyncio.run(ask_many(engine, 2000))
    assert server.answers == 2000
    assert engine.lane.limit < 24
    assert server.complaints < 1000
    server.bears = 1000
    asyncio.run(ask_many(engine, 3000))
    assert engine.lane.limit == 64


def test_a_burst_of_complaints_about_one_moment_counts_once() -> None:
    one = Lane(64)

    async def burst() -> None:
        began = [await one.enter() for _ in range(64)]
        for each in began:
            one.leave(each, complained=True)

    asyncio.run(burst())
    assert one.limit == 32


def test_the_limit_never_falls_below_one_nor_rises_above_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "_CUT_SECONDS", -1.0)
    one = Lane(4)

    async def go(**how: bool) -> int:
        for _ in range(20):
            one.leave(await one.enter() + 1, **how)
        return one.limit

    assert asyncio.run(go(complained=True)) == 1
    assert asyncio.run(go(answered=True)) == 4
    assert asyncio.run(go()) == 4


def test_other_faults_say_nothing_of_how_much_a_server_bears() -> None:
    class Broken(Server):
        async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
            raise EngineError("down", transient=True, kind="server")

    engine = Limited(Broken(1), 8)
    with pytest.raises(EngineError):
        asyncio.run(engine.generate([user("x")]))
    assert engine.lane.limit == 8


def test_a_pause_holds_every_call_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    one = Lane(4)
    with caplog.at_level(logging.WARNING):
        one.pause(0.2, "server")
        assert caplog.records == []
        one.pause(600, "server")
        one.pause(5, "server")
    assert [record.getMessage()[:26] for record in caplog.records] == ["server asks to wait 600 s;"]
    other = Lane(4)
    other.pause(0.2, "server")

    async def three() -> list[float]:
        start = time.monotonic()
        return [moment - start for moment in await asyncio.gather(*(other.enter() for _ in range(3)))]

    assert all(moment >= 0.19 for moment in asyncio.run(three()))


def test_what_the_server_asks_for_pauses_its_lane() -> None:
    class Busy(Server):
        async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
            if not self.complaints:
                self.complaints += 1
                raise EngineError("busy", transient=True, kind="rate_limit", retry_after=0.2)
            return Completion("ok")

    engine = Limited(Busy(1), 8)

    async def two() -> float:
        with pytest.raises(EngineError, match="busy"):
            await engine.generate([user("x")])
        start = time.monotonic()
        await engine.generate([user("y")])
        return time.monotonic() - start

    assert asyncio.run(two()) >= 0.19


def test_turns_are_given_in_order() -> None:
    one, order = Lane(1), list[int]()

    async def go(number: int) -> None:
        began = await one.enter()
        order.append(number)
        await asyncio.sleep(0)
        one.leave(began)

    async def many() -> None:
        await asyncio.gather(*(go(number) for number in range(20)))

    asyncio.run(many())
    assert order == list(range(20))


def test_who_gives_up_waiting_leaves_the_turn_to_the_next() -> None:
    one = Lane(1)

    async def go() -> None:
        began = await one.enter()
        waiting = [asyncio.ensure_future(one.enter()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        one.leave(began)  # hands over to the second
        await asyncio.sleep(0)
        waiting[1].cancel()  # gives up in the moment when its turn has come
        await asyncio.gather(*waiting[:2], return_exceptions=True)
        one.leave(await asyncio.wait_for(waiting[2], 5))
        one.leave(await asyncio.wait_for(one.enter(), 5))

    asyncio.run(go())
    assert one._running == 0


def test_a_loop_that_ended_keeps_no_turn() -> None:
    one = Lane(1)

    async def leave_behind() -> None:
        await one.enter()
        asyncio.ensure_future(one.enter())  # noqa: RUF006 - left to the end of the loop
        await asyncio.sleep(0)

    asyncio.run(leave_behind())
    assert len(one._queue) == 0

    async def go_on() -> None:
        one.leave(0.0)
        one.leave(await asyncio.wait_for(one.enter(), 5))

    asyncio.run(go_on())


def test_threads_share_the_turns() -> None:
    one = Lane(3)
    running, most, lock = 0, 0, threading.Lock()

    async def go() -> None:
        nonlocal running, most
        for _ in range(50):
            began = await one.enter()
            with lock:
                running += 1
                most = max(most, running)
            await asyncio.sleep(0)
            with lock:
                running -= 1
            one.leave(began, answered=True)

    async def several() -> None:
        await asyncio.gather(*(go() for _ in range(4)))

    threads = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert most == 3
    assert one._running == 0
