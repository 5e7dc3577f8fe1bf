from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines import Paced, ScriptedEngine
from textgrad_agents.engines.middleware import Pace, pace
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Usage, user


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(pace, "time", one)
    return one


def test_what_is_taken_moves_the_next_back(clock: Clock) -> None:
    one = Pace(60)
    assert [one.take(1), one.take(1), one.take(3), one.take(1)] == [0, 1, 2, 5]
    clock.now += 100
    assert [one.take(1), one.take(1)] == [0, 1]


def test_what_is_given_back_moves_the_next_forward(clock: Clock) -> None:
    one = Pace(60)
    one.take(10)
    one.give_back(8)
    assert one.take(1) == 2
    one.give_back(-4)
    assert one.take(1) == 7


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 5)), max_size=40), st.floats(1, 600))
def test_no_minute_has_more_than_the_rate(calls: list[tuple[float, float]], per_minute: float) -> None:
    clock, one = Clock(), Pace(per_minute)
    original, pace.time = pace.time, clock  # type: ignore[assignment]
    try:
        begun: list[tuple[float, float]] = []
        for later, amount in calls:
            clock.now += later
            begun.append((clock.now + one.take(amount), amount))
    finally:
        pace.time = original
    for start, first in begun:
        others = sum(amount for moment, amount in begun if start < moment < start + 60)
        assert first + others <= per_minute + max(amount for _, amount in begun) + 1e-6


def test_calls_are_spaced() -> None:
    engine = Paced(ScriptedEngine(lambda *_: "ok"), Pace(60 / 0.05))

    async def five() -> float:
        start = time.monotonic()
        await asyncio.gather(*(engine.generate([user("x")]) for _ in range(5)))
        return time.monotonic() - start

    assert asyncio.run(five()) >= 0.2


def test_tokens_are_taken_by_estimate_and_set_right(clock: Clock) -> None:
    tokens = Pace(600)
    answers = [
        Completion("a", usage=Usage(10, 20)),
        EngineError("charged", usage=Usage(5, 5)),
        EngineError("not charged"),
    ]
    engine = Paced(ScriptedEngine(answers), tokens=tokens)
    options = GenerateOptions(max_tokens=100)
    asyncio.run(engine.generate([user("x")], options))
    assert tokens.take(0) == pytest.approx(3.0)  # 30 tokens at 10 a second
    clock.now += 3.0
    for used in (1.0, 0.0):
        with pytest.raises(EngineError):
            asyncio.run(engine.generate([user("x")], options))
        assert tokens.take(0) == pytest.approx(used)
        clock.now += used


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_of_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="more than 0 per minute"):
        Pace(rate)
