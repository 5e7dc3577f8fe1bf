"""The portal: a thread with a loop, copied contextvars, no wait that never ends."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
import weakref
from contextvars import ContextVar

import pytest

from textgrad_agents.errors import PortalError
from textgrad_agents.portal import Portal
from textgrad_agents.session import Session

color: ContextVar[str] = ContextVar("color", default="none")


async def read_color() -> str:
    await asyncio.sleep(0)
    return color.get()


@pytest.fixture
def portal():
    portal = Portal()
    yield portal
    portal.close()


def test_runs_coroutines_on_one_thread_with_the_callers_context(portal: Portal) -> None:
    async def where() -> threading.Thread:
        return threading.current_thread()

    color.set("green")
    assert portal.run(read_color()) == "green"
    assert portal.run(where()) is portal.run(where()) is not threading.main_thread()


def test_submitted_coroutines_run_concurrently(portal: Portal) -> None:
    async def both_there(barrier: asyncio.Event, first: bool) -> None:
        if first:
            await barrier.wait()
        else:
            barrier.set()

    barrier = asyncio.Event()
    futures = [portal.submit(both_there(barrier, first)) for first in (True, False)]
    assert [future.result(5) for future in futures] == [None, None]


def test_a_sync_door_on_the_portal_thread_is_an_error_not_a_deadlock(portal: Portal) -> None:
    async def again() -> None:
        portal.run(read_color())

    with pytest.raises(PortalError, match="async form"):
        portal.run(again())


def test_close_cancels_what_is_under_way_and_the_portal_can_be_used_again(portal: Portal) -> None:
    cancelled = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    future = portal.submit(endless())
    portal.run(read_color())
    portal.close()
    assert cancelled.is_set()
    assert future.cancelled()
    assert portal.run(read_color()) == color.get()


def test_closing_while_a_caller_waits_tells_the_caller(portal: Portal) -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    timer = threading.Timer(0.05, portal.close)
    timer.start()
    with pytest.raises(PortalError, match="session was closed"):
        portal.run(endless())
    timer.join()


def test_what_was_submitted_just_before_close_is_cancelled_and_never_hangs(portal: Portal) -> None:
    async def endless() -> None:
        await asyncio.Event().wait()

    for _ in range(50):
        future = portal.submit(endless())
        portal.close()
        assert future.cancelled()


def test_settled_waits_for_everything_also_for_what_is_started_meanwhile(portal: Portal) -> None:
    done: list[int] = []

    async def child() -> None:
        await asyncio.sleep(0.02)
        done.append(2)

    async def parent() -> None:
        await asyncio.sleep(0.01)
        children.append(asyncio.ensure_future(child()))
        done.append(1)

    children: list[asyncio.Future[None]] = []
    portal.submit(parent())
    portal.settled().result(5)
    assert done == [1, 2]
    assert Portal().settled().done()


def test_interrupting_the_wait_cancels_the_work(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    submit = portal.submit

    def interrupted(coroutine):
        future = submit(coroutine)

        def result(timeout: float | None = None) -> None:
            time.sleep(0.02)
            raise KeyboardInterrupt

        monkeypatch.setattr(future, "result", result)
        return future

    monkeypatch.setattr(portal, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        portal.run(endless())
    assert cancelled.wait(5)


def test_system_exit_in_a_coroutine_reaches_its_caller_and_the_portal_lives_on(portal: Portal) -> None:
    async def leave() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit):
        portal.run(leave())
    assert portal.run(read_color()) == color.get()


def test_a_forgotten_session_stops_its_thread() -> None:
    session = Session()
    session.portal.run(read_color())
    thread = session.portal._thread
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    thread.join(5)
    assert not thread.is_alive()
