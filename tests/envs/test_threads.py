"""Threads for plain functions: kept for the next call, left behind when they hang."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from envs import threads
from envs.threads import run_in_thread


def name() -> str:
    return str(threading.get_ident())


def test_a_thread_is_used_again() -> None:
    async def main() -> list[str]:
        return [await run_in_thread(name) for _ in range(3)]

    used = asyncio.run(main())
    assert len(set(used)) == 1
    assert used[0] != name()
    assert asyncio.run(main()) == used, "by the next event loop too"


def test_errors_come_back() -> None:
    def fail() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        asyncio.run(run_in_thread(fail))


def test_only_so_many_wait_for_the_next_call() -> None:
    gate = threading.Barrier(threads.MOST_IDLE + 5, timeout=10)

    async def main() -> None:
        await asyncio.gather(*[run_in_thread(gate.wait) for _ in range(threads.MOST_IDLE + 5)])

    asyncio.run(main())
    assert len(threads._idle) <= threads.MOST_IDLE


def test_a_result_that_nobody_waits_for_is_dropped() -> None:
    done = threading.Event()

    def slow() -> str:
        time.sleep(0.05)
        done.set()
        return "late"

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run_in_thread(slow), 0.01)
        await asyncio.to_thread(done.wait, 5)
        assert await run_in_thread(name)

    asyncio.run(main())
    done.clear()

    async def leave() -> None:
        task = asyncio.ensure_future(run_in_thread(slow))
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(leave())  # the loop is closed before the function ends
    assert done.wait(5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own() -> None:
    asyncio.run(run_in_thread(name))
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(asyncio.wait_for(run_in_thread(lambda: 5), 10)) == 5 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
