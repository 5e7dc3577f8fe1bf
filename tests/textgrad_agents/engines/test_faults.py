"""Each kind of fault, with and without a stream: what it is called, what is done about it, what becomes of the call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, LLMConfig, Retried, Stack
from textgrad_agents.engines.faults import FAULTS, LONGEST_PAUSE, make_fault
from textgrad_agents.engines.middleware import Try
from textgrad_agents.errors import EngineAccessError, EngineError, EngineReplyError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import user

# The kinds of tests/support/fault_server.py. What is asked for again, and in which words a call without hope ends.
PASSING = [
    *("429_rate", "429_wait", "408", "500", "503_page", "529", "reset", "hang", "short_body", "bad_json", "page"),
    *("no_choices", "null_choices", "null_content", "empty_content", "refusal", "stream_cut", "stream_error"),
]
LASTING = {
    "429_quota": "has no quota or credit left",
    "400_context": "the prompt is too long",
    "400_parameter": "because of top_k; change or drop it",
    "401": "wants a key",
    "403": "may not use",
    "404": "does not serve the model",
    "filtered": "reword the prompt",
    "302": "redirects are not followed",
    "bomb": "longer than 32 MB",
}
ENDING_A_RUN = {"429_quota", "401", "403", "404", "302", "bomb"}


def chat(url: str, **fields: Any) -> ChatEngine:
    return ChatEngine(LLMConfig(**{"name": "m", "model_string": "m", "base_url": url, "timeout": 5.0} | fields))


def test_the_lists_above_are_those_of_the_server(faults: Any) -> None:
    assert set(PASSING) == set(faults.PASSING)
    assert set(LASTING) == set(faults.LASTING)
    assert len(faults.KINDS) == 29
    assert {kind for kind in faults.KINDS.values() if kind != "answered"} <= set(FAULTS)


def fault_met(faults: Any, kind: str, **fields: Any) -> EngineError:
    """What a call without retries meets."""
    with faults.faulty(faults.Plan(rate=1.0, kinds={kind: 1})) as (server, url):
        with pytest.raises(EngineError) as caught:
            asyncio.run(chat(url, **fields).generate([user("hello")]))
        assert sum(server.tries.values()) == 1
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_waited_out(faults: Any, kind: str, stream: bool) -> None:
    error = fault_met(faults, kind, stream=stream, timeout=0.2 if kind == "hang" else 5.0)
    in_one_piece = {} if stream else {"stream_cut": "lost", "stream_error": "malformed"}
    assert error.kind == in_one_piece.get(kind, faults.KINDS[kind])
    assert error.transient
    plan = faults.Plan(rate=1.0, kinds={kind: 1}, retry_after=0.01)
    with faults.faulty(plan) as (server, url):
        engine = Stack(first_wait=0.001)(chat(url, stream=stream, timeout=0.2 if kind == "hang" else 5.0))
        for number in range(3):
            messages = [user(f"call {number}")]
            assert asyncio.run(engine.generate(messages)).text == faults.echo_of(messages)
        assert set(server.tries.values()) <= {2, 3}
        assert server.served[kind] >= 3


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", LASTING)
def test_what_lasts_is_said_once_and_not_asked_again(faults: Any, kind: str, stream: bool) -> None:
    with faults.faulty(faults.Plan(rate=1.0, kinds={kind: 1})) as (server, url):
        engine = Stack(first_wait=0.001)(chat(url, stream=stream))
        with pytest.raises(EngineError, match=LASTING[kind]) as caught:
            asyncio.run(engine.generate([user("hello")]))
        assert sum(server.tries.values()) == 1
    assert caught.value.kind == faults.KINDS[kind]
    assert not caught.value.transient
    assert isinstance(caught.value, EngineAccessError) is (kind in ENDING_A_RUN)


def test_a_reply_of_reasoning_alone_is_asked_for_once_more_with_a_higher_cap(faults: Any) -> None:
    with faults.faulty(faults.Plan(rate=1.0, kinds={"reasoning_only": 1})) as (server, url):
        engine = Stack(first_wait=0.001)(chat(url, max_tokens=64))
        messages = [user("hello")]
        assert asyncio.run(engine.generate(messages)).text == faults.echo_of(messages)
        assert list(server.tries.values()) == [2]


def test_a_cap_that_is_still_too_low_ends_the_call(chat_server: Any) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 64}
    for _ in range(3):
        chat_server.say("", finish="length", usage=usage)
    with pytest.raises(EngineReplyError, match="raise max_tokens or lower reasoning_effort"):
        asyncio.run(Retried(chat(chat_server.url), first_wait=0.001).generate([user("hello")]))
    assert len(chat_server.requests) == 2


def test_an_answer_without_usage_is_an_answer_whose_usage_is_estimated(faults: Any) -> None:
    with faults.faulty(faults.Plan(rate=1.0, kinds={"no_usage": 1})) as (_, url):
        for stream in (False, True):
            completion = asyncio.run(chat(url, stream=stream).generate([user("hello")]))
            assert completion.text == faults.echo_of([user("hello")])
            assert completion.usage.estimated


NO_ANSWER = {
    "null_content": EngineReplyError,
    "empty_content": EngineReplyError,
    "refusal": EngineReplyError,
    "page": EngineAccessError,
}


@pytest.mark.parametrize("kind", NO_ANSWER)
def test_a_model_that_does_not_answer_is_asked_twice_more(faults: Any, kind: str) -> None:
    with faults.faulty(faults.Plan(rate=1.0, kinds={kind: 1}, lasts=99, seed=5)) as (server, url):
        assert server.fault_of(faults.call_of({"messages": [{"role": "user", "content": "hello"}]}))[1] > 3
        with pytest.raises(NO_ANSWER[kind]):
            asyncio.run(Stack(first_wait=0.001)(chat(url)).generate([user("hello")]))
        assert sum(server.tries.values()) == 3


def test_no_server_at_all_costs_nothing_and_is_worth_another_try(chat_server: Any) -> None:
    chat_server.__exit__()
    with pytest.raises(EngineError) as caught:
        asyncio.run(chat(chat_server.url).generate([user("hello")]))
    assert (caught.value.kind, caught.value.transient) == ("unreachable", True)
    assert FAULTS["unreachable"].free
    assert not FAULTS["lost"].free


class TestWaiting:
    def test_a_wait_of_minutes_pauses_the_server_for_all(self, faults: Any) -> None:
        tries: list[Try] = []
        moments: list[float] = []
        failed = threading.Event()
        plan = faults.Plan(rate=1.0, kinds={"429_wait": 1}, lasts=1, retry_after=0.5)

        def on_try(one: Try) -> None:
            tries.append(one)
            moments.append(time.monotonic())
            failed.set()

        with faults.faulty(plan) as (server, url):
            stack = Stack(first_wait=0.001, on_try=on_try)
            engine = stack(chat(url))

            async def go() -> None:
                first = asyncio.create_task(engine.generate([user("first")]))
                await asyncio.to_thread(failed.wait)
                first.cancel()
                await engine.generate([user("second")])

            asyncio.run(go())
            assert [one.wait for one in tries] == [0.5, 0.5, None]
            assert moments[1] - moments[0] > 0.45  # the second call's first try came after the pause of the first call
            assert server.calls["other"] == 3

    def test_a_wait_of_hours_ends_the_run_instead(self, chat_server: Any) -> None:
        for seconds in (LONGEST_PAUSE + 1, 7200):
            chat_server.fail(429, headers={"retry-after": f"{seconds:.0f}"})
            with pytest.raises(EngineAccessError, match=rf"asks to wait {seconds:.0f} s: run again then") as caught:
                asyncio.run(Retried(chat(chat_server.url)).generate([user("hello")]))
            assert caught.value.kind == "pause"
        assert len(chat_server.requests) == 2

    def test_a_wait_beyond_the_deadline_is_not_begun(self, chat_server: Any) -> None:
        chat_server.fail(429, headers={"retry-after": "600"})
        with pytest.raises(EngineError, match="limits the rate"):  # the deadline would end with an error of its own
            asyncio.run(Stack(deadline=300)(chat(chat_server.url)).generate([user("hello")]))


def test_the_table_says_which_faults_are_transient() -> None:
    for kind, fault in FAULTS.items():
        assert make_fault(kind, "", EngineError).transient is (kind != "length" and fault.tries != 1)


# -- many calls --------------------------------------------------------------------------------------------------------


def many_calls(faults: Any, number: int, seed: int) -> None:
    """Calls over a bad network: no surprise, no wrong text, no hopeless try, and all but a few right that can be."""
    plan = faults.Plan(seed=seed, rate=0.3, lasts=2, retry_after=0.02, latency=faults.lognormal(0.002, 1.0))
    with faults.faulty(plan) as (server, url):
        told: list[Try] = []
        stack = Stack(first_wait=0.01, concurrency=64, on_try=told.append)
        engines = [stack(chat(url, timeout=1.5, stream=stream)) for stream in (False, True)]

        async def ask(index: int) -> str:
            messages = [user(f"call {index}")]
            try:
                completion = await engines[index % 2].generate(messages, GenerateOptions(seed=index))
            except EngineError as error:
                return error.kind
            return "right" if completion.text == faults.echo_of(messages) else f"wrong: {completion.text}"

        async def all_of_them() -> list[str]:
            return await asyncio.gather(*map(ask, range(number)))

        outcomes = asyncio.run(all_of_them())
        bodies = [{"messages": [{"role": "user", "content": f"call {n}"}], "seed": n} for n in range(number)]
        kinds = [server.fault_of(faults.call_of(body))[0] for body in bodies]
    results = Counter(zip(kinds, outcomes, strict=True))
    clearing = [outcome for kind, outcome in zip(kinds, outcomes, strict=True) if kind not in LASTING]
    assert not [outcome for outcome in outcomes if outcome.startswith("wrong")]
    assert clearing.count("right") >= 0.999 * len(clearing), results
    assert all(outcome == faults.LASTING[kind] for kind, outcome in results if kind in LASTING), results
    assert not [one for one in told if one.outcome in faults.LASTING.values() and one.wait is not None]
    assert {one.outcome for one in told} >= {*faults.KINDS.values()}
    assert set(kinds) == {"", *faults.KINDS}
    assert stack.meter.tally().calls == len(told) >= sum(server.served.values())


def test_a_thousand_calls_over_a_bad_network(faults: Any) -> None:
    many_calls(faults, 1500, seed=11)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_calls_over_a_bad_network(faults: Any) -> None:
    many_calls(faults, 10_000, seed=12)
