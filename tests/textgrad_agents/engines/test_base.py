from __future__ import annotations

import asyncio
import threading

from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.engines.base import PerLoop, call_cost, estimate_tokens, estimate_usage, one_line
from textgrad_agents.messages import Usage, system, user


def test_estimate_counts_characters_or_words_whichever_is_more() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens("abcdefgh") == 2  # eight characters
    assert estimate_tokens("a b c") == 4  # three words of 4/3 tokens
    usage = estimate_usage([system("abcd"), user("abcdefgh")], "abcd")
    assert usage == Usage(2 + 2, 2, estimated=True)


@given(st.text(), st.text())
def test_more_text_never_means_fewer_tokens(one: str, other: str) -> None:
    assert estimate_tokens(one + other) >= max(estimate_tokens(one), 0)


@given(st.text(), st.integers(1, 300))
def test_one_line_is_one_short_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


def test_an_engine_without_prices_is_free() -> None:
    assert call_cost(ScriptedEngine([]), Usage(1000, 1000)) == 0.0


def test_per_loop_keeps_one_value_per_loop_and_forgets_closed_loops() -> None:
    values: list[object] = []

    def make() -> object:
        values.append(object())
        return values[-1]

    per_loop = PerLoop(make)

    async def twice() -> tuple[object, object]:
        return per_loop.get(), per_loop.get()

    first, again = asyncio.run(twice())
    assert first is again
    other, _ = asyncio.run(twice())
    assert other is not first
    assert len(per_loop._values) == 1

    async def drop() -> tuple[object, object]:
        value = per_loop.get()
        assert per_loop.pop() is value
        return per_loop.pop(), per_loop.get()

    missing, fresh = asyncio.run(drop())
    assert missing is None
    assert fresh is values[-1]


def test_per_loop_serves_loops_of_several_threads_at_once() -> None:
    per_loop = PerLoop(object)
    barrier = threading.Barrier(8)
    seen: list[object] = []

    async def look() -> None:
        barrier.wait(timeout=10)
        value = per_loop.get()
        await asyncio.sleep(0)
        assert per_loop.get() is value
        seen.append(value)
        barrier.wait(timeout=10)

    threads = [threading.Thread(target=lambda: asyncio.run(look())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 8
