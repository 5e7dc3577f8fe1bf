from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, Deadline, LLMConfig, Retried, ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineError, EngineReplyError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, user

DOWN = EngineError("down", transient=True)


def ask(engine: Engine) -> Completion:
    return asyncio.run(engine.generate([user("hello")], GenerateOptions(seed=3)))


def quick(engine: Engine, **how: Any) -> Retried:
    return Retried(engine, first_wait=0.001, **how)


def test_faults_that_pass_are_waited_out_and_the_request_stays_the_same() -> None:
    script = ScriptedEngine([DOWN, EngineReplyError("empty", transient=True), "up"])
    assert ask(quick(script)).text == "up"
    assert len(script.calls) == 3
    assert script.calls[0] == script.calls[1] == script.calls[2]


@pytest.mark.parametrize("error", [EngineError("bad request"), EngineAccessError("no quota"), EngineReplyError("cut")])
def test_faults_that_stay_are_not_retried(error: EngineError) -> None:
    script = ScriptedEngine([error, "never"])
    with pytest.raises(type(error)) as caught:
        ask(quick(script))
    assert caught.value is error
    assert len(script.calls) == 1


def test_other_errors_are_bugs_and_go_straight_through() -> None:
    script = ScriptedEngine([KeyError("bug"), "never"])
    with pytest.raises(KeyError):
        ask(quick(script))
    assert len(script.calls) == 1


def test_the_last_fault_is_the_answer() -> None:
    script = ScriptedEngine([EngineError(f"try {number}", transient=True) for number in (1, 2, 3)])
    with pytest.raises(EngineError, match="try 3"):
        ask(quick(script, attempts=3))
    assert len(script.calls) == 3


def test_one_attempt_is_one_call() -> None:
    script = ScriptedEngine([DOWN, "never"])
    with pytest.raises(EngineError, match="down"):
        ask(quick(script, attempts=1))
    assert len(script.calls) == 1
    with pytest.raises(ConfigError, match="attempts must be at least 1"):
        quick(script, attempts=0)


def test_the_wait_that_the_server_asks_for_is_kept() -> None:
    script = ScriptedEngine([EngineError("busy", transient=True, retry_after=0.2), "up"])
    start = time.monotonic()
    assert ask(quick(script)).text == "up"
    assert time.monotonic() - start >= 0.2


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    busy = EngineError("busy", transient=True, retry_after=7200)
    with pytest.raises(EngineError, match="busy"):  # the deadline itself would end with an error of its own
        ask(Deadline(quick(ScriptedEngine([busy, "never"])), 3600))


def test_waits_double_and_are_capped() -> None:
    engine = Retried(ScriptedEngine([]), first_wait=1.0, attempts=20)
    for attempt, longest in [(1, 1.0), (2, 2.0), (5, 16.0), (9, 30.0)]:
        waits = [engine._wait(attempt, DOWN) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest


def test_it_speaks_for_the_engine_inside() -> None:
    engine = quick(ScriptedEngine([], structured=True))
    assert isinstance(engine, Engine)
    assert engine.name == "scripted"
    assert engine.structured


def test_against_a_server(chat_server: Any) -> None:
    chat_server.fail(503)
    chat_server.fail(429, headers={"retry-after": "0"})
    chat_server.send("{}", fault="reset")
    chat_server.say("at last")
    engine = ChatEngine(LLMConfig(name="m", model_string="m", base_url=chat_server.url))
    assert ask(quick(engine)).text == "at last"
    assert len(chat_server.requests) == 4
    chat_server.fail(401)
    with pytest.raises(EngineAccessError):
        ask(quick(engine))
    assert len(chat_server.requests) == 5
