from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from textgrad_agents.engines import Deadline, Limited, Retried, ScriptedEngine
from textgrad_agents.engines.middleware.deadline import off_the_clock, time_left
from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, user


class Slow:
    """Answers after a while, some of which it spends waiting for its turn."""

    name = "slow"

    def __init__(self, *, turn: float = 0.0, work: float = 0.0) -> None:
        self.turn = turn
        self.work = work
        self.left: list[float | None] = []

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        with off_the_clock():
            await asyncio.sleep(self.turn)
        self.left.append(time_left())
        await asyncio.sleep(self.work)
        return Completion("done")


def test_a_call_ends_in_time() -> None:
    with pytest.raises(EngineError, match=r"slow gave no answer within 0\.1 s, all tries included") as caught:
        asyncio.run(Deadline(Slow(work=3600), 0.1).generate([user("x")]))
    assert (caught.value.kind, caught.value.transient) == ("deadline", False)


def test_tries_and_pauses_count() -> None:
    down = EngineError("down", transient=True)
    engine = Deadline(Retried(ScriptedEngine([down] * 8), first_wait=0.05), 0.3)
    with pytest.raises(EngineError, match=r"down|no answer within"):
        asyncio.run(engine.generate([user("x")]))


def test_waiting_for_a_turn_does_not_count() -> None:
    slow = Slow(turn=0.5)
    assert asyncio.run(Deadline(slow, 0.3).generate([user("x")])).text == "done"
    (left,) = slow.left
    assert left is not None
    assert 0.2 < left <= 0.3


def test_a_long_queue_is_no_fault_of_a_call() -> None:
    engine = Deadline(Limited(ScriptedEngine(lambda *_: "ok", latency=0.05), 1), 0.2)

    async def many() -> list[Completion]:
        return await asyncio.gather(*(engine.generate([user("x")]) for _ in range(10)))

    assert [one.text for one in asyncio.run(many())] == ["ok"] * 10


def test_each_call_has_its_own_clock_and_none_has_none() -> None:
    slow = Slow()

    async def both() -> None:
        await asyncio.gather(Deadline(slow, 5).generate([user("x")]), Deadline(slow, 50).generate([user("x")]))
        await slow.generate([user("x")])

    asyncio.run(both())
    assert sorted(left for left in slow.left if left is not None) == [pytest.approx(5, abs=1), pytest.approx(50, abs=1)]
    assert slow.left[-1] is None


def test_a_timeout_inside_that_is_not_ours_goes_straight_through() -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(Deadline(ScriptedEngine([TimeoutError("another")]), 5).generate([user("x")]))


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_deadline_of_nothing_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="more than 0 seconds"):
        Deadline(ScriptedEngine([]), seconds)
