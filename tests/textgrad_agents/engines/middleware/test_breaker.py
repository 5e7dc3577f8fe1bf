from __future__ import annotations

import asyncio
from typing import Any

import pytest

from textgrad_agents.engines import CircuitBreaker, Retried, ScriptedEngine
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.middleware import breaker
from textgrad_agents.errors import EngineAccessError, EngineError, EngineReplyError
from textgrad_agents.messages import user


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(breaker, "time", one)
    return one


class Scene:
    """A breaker with a script that is written as the test goes on."""

    def __init__(self) -> None:
        self.next: Any = "ok"
        self.script = ScriptedEngine(lambda *_: self.next)
        self.breaker = CircuitBreaker(self.script, faults=3, seconds=60, probe_seconds=15)

    def ask(self, answer: Any) -> str:
        """The text, or the kind of the error; "" if nothing was sent."""
        self.next = answer
        before = len(self.script.calls)
        try:
            said = asyncio.run(self.breaker.generate([user("x")])).text
        except EngineError as error:
            said = error.kind or "error"
        return said if len(self.script.calls) > before else f"unsent {said}"


DOWN = make_fault("server", "the server is\non fire", EngineError)


def test_a_server_that_is_down_is_left_alone_but_for_probes(clock: Clock) -> None:
    scene = Scene()
    for _ in range(4):
        assert scene.ask(DOWN) == "server"
        clock.now += 20
    assert scene.ask(DOWN) == "server"  # the first probe
    assert [scene.ask("ok") for _ in range(3)] == ["unsent down"] * 3
    clock.now += 15
    assert scene.ask(DOWN) == "server"
    assert scene.ask("ok") == "unsent down"
    clock.now += 15
    assert scene.ask("ok") == "ok"
    assert scene.ask(DOWN) == "server"
    assert scene.ask("ok") == "ok"


def test_what_it_says(clock: Clock) -> None:
    scene = Scene()
    for _ in range(4):
        scene.ask(DOWN)
        clock.now += 30
    scene.ask(DOWN)
    with pytest.raises(EngineAccessError) as caught:
        asyncio.run(scene.breaker.generate([user("x")]))
    assert not caught.value.transient
    assert str(caught.value) == (
        "scripted has answered none of the last 5 tries, for 120 s; the last fault: the server is on fire; what is "
        "finished is kept: run again when the server is back"
    )


def test_many_faults_in_a_moment_are_no_reason(clock: Clock) -> None:
    scene = Scene()
    assert [scene.ask(DOWN) for _ in range(50)] == ["server"] * 50


@pytest.mark.parametrize("answer", ["ok", make_fault("empty", "no words", EngineReplyError)])
def test_any_answer_begins_the_count_anew(clock: Clock, answer: Any) -> None:
    scene = Scene()
    for _ in range(3):
        assert scene.ask(DOWN) == "server"
        clock.now += 50
        assert scene.ask(DOWN) == "server"
        clock.now += 50
        scene.ask(answer)
    assert scene.ask("ok") == "ok"


def test_errors_that_never_reached_the_server_say_nothing_of_it(clock: Clock) -> None:
    scene = Scene()
    for _ in range(3):
        scene.ask(DOWN)
        clock.now += 40
        scene.ask(EngineError("a bug of ours"))
    scene.ask(DOWN)
    assert scene.ask("ok") == "unsent down"


def test_an_open_circuit_ends_retries_at_once(clock: Clock) -> None:
    scene = Scene()
    for _ in range(5):
        scene.ask(DOWN)
        clock.now += 30
    clock.now -= 30  # between two probes
    with pytest.raises(EngineAccessError, match="run again when the server is back"):
        asyncio.run(Retried(scene.breaker, first_wait=0.001).generate([user("x")]))
