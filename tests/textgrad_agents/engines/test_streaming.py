"""Replies that come in pieces are the replies that come at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines import ChatEngine, LLMConfig
from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.engines.chunks import Assembly, read_events
from textgrad_agents.errors import EngineAccessError, EngineError, EngineReplyError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Usage, user

CANARY = "sk-canary-0123456789"
EVENTS = {"content-type": "text/event-stream; charset=utf-8"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c", "object": "chat.completion.chunk", "model": "served-model", "choices": choices} | fields


def events(*chunks: Any, done: bool = True) -> str:
    lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return "".join(f"data: {line}\n\n" for line in (*lines, *(["[DONE]"] if done else [])))


def engine_at(server: Any, **fields: Any) -> ChatEngine:
    given = {"name": "test", "model_string": "test-model", "base_url": server.url, "stream": True}
    return ChatEngine(LLMConfig(**given | fields))


def ask(engine: ChatEngine, **options: Any) -> Completion:
    return asyncio.run(engine.generate([user("hello")], GenerateOptions(**options)))


def error_of(engine: ChatEngine) -> EngineError:
    with pytest.raises(EngineError) as caught:
        ask(engine)
    return caught.value


WHOLE = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "hello"}),
    chunk({"content": " back"}),
    chunk({}, "stop"),
    chunk(usage=USAGE),
)


class TestWholeReplies:
    def test_pieces_make_a_completion(self, chat_server: Any) -> None:
        chat_server.send(events(*WHOLE), headers=EVENTS)
        completion = ask(engine_at(chat_server), temperature=0.5)
        assert (completion.text, completion.finish, completion.usage) == ("hello back", "stop", Usage(11, 7))
        assert completion.model == "served-model"
        body = chat_server.requests[0].body
        assert body["stream"] is True
        assert body["stream_options"] == {"include_usage": True}
        assert completion.details["parameters"] == {"max_tokens": 4096, "temperature": 0.5}

    def test_the_pieces_as_they_come_and_the_completion_at_the_end(self, chat_server: Any) -> None:
        chat_server.send(events(*WHOLE), headers=EVENTS)

        async def listen() -> list[str | Completion]:
            return [piece async for piece in engine_at(chat_server, stream=False).stream([user("hello")])]

        *pieces, completion = asyncio.run(listen())
        assert pieces == ["hello", " back"]
        assert isinstance(completion, Completion)
        assert completion.text == "hello back"

    def test_a_listener_may_leave(self, chat_server: Any) -> None:
        chat_server.send(events(*WHOLE), headers=EVENTS)

        async def leave() -> str | Completion:
            stream = engine_at(chat_server).stream([user("hello")])
            first = await anext(stream)
            await stream.aclose()
            return first

        assert asyncio.run(leave()) == "hello"

    def test_tool_calls_and_reasoning_come_in_pieces_too(self, chat_server: Any) -> None:
        call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "weather", "arguments": ""}}
        chat_server.send(
            events(
                chunk({"reasoning_content": "hm, "}),
                chunk({"reasoning_content": "Oslo"}),
                chunk({"tool_calls": [call]}),
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]}),
                chunk({"tool_calls": [{"index": 1, "id": "c2", "function": {"name": "now", "arguments": "{}"}}]}),
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]}),
                chunk({}, "tool_calls"),
            ),
            headers=EVENTS,
        )
        completion = ask(engine_at(chat_server))
        assert completion.finish == "tool_calls"
        assert [(one.id, one.function.name, one.function.arguments) for one in completion.tool_calls] == [
            ("c1", "weather", {"city": "Oslo"}),
            ("c2", "now", {}),
        ]
        assert completion.details["reasoning"] == "hm, Oslo"

    def test_logprobs_are_joined(self, chat_server: Any) -> None:
        tokens = [{"token": text, "logprob": -0.5} for text in ("a", "b", "c")]
        first, second = chunk({"content": "ab"}), chunk({"content": "c"}, "stop")
        first["choices"][0]["logprobs"] = {"content": tokens[:2]}
        second["choices"][0]["logprobs"] = {"content": tokens[2:]}
        chat_server.send(events(first, second), headers=EVENTS)
        assert ask(engine_at(chat_server)).details["logprobs"] == tokens

    def test_a_server_that_does_not_stream_is_understood(self, chat_server: Any) -> None:
        chat_server.say("at once")
        chat_server.say("at once")
        engine = engine_at(chat_server)
        assert ask(engine).text == "at once"
        assert ask(engine).usage == Usage(11, 7)

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_comments_other_fields_and_data_on_several_lines(self, chat_server: Any, end: str) -> None:
        half = json.dumps(chunk({"content": "hello"}, "stop"), indent=1).splitlines()
        lines = [": keep alive", "", "event: message", *(f"data: {line}" for line in half), "", "data:[DONE]", "", ""]
        chat_server.send(end.join(lines), headers=EVENTS)
        assert ask(engine_at(chat_server)).text == "hello"

    def test_the_end_of_the_stream_is_enough(self, chat_server: Any) -> None:
        chat_server.send(events(*WHOLE, done=False), headers=EVENTS)
        assert ask(engine_at(chat_server)).text == "hello back"


class TestFaults:
    def test_a_stream_that_is_cut_is_no_success(self, chat_server: Any) -> None:
        chat_server.send(events(*WHOLE[:3]), headers=EVENTS)
        error = error_of(engine_at(chat_server))
        assert isinstance(error, EngineReplyError)
        assert (error.kind, error.transient) == ("stream_cut", True)
        assert error.usage == Usage(estimate_tokens("hello"), estimate_tokens("hello back"), estimated=True)

    @pytest.mark.parametrize(
        ("sent", "kind", "error_type", "transient"),
        [
            ({"error": {"message": "overloaded"}}, "stream_error", EngineError, True),
            ({"error": "a text"}, "stream_error", EngineError, True),
            ({"error": {"message": "x", "code": "insufficient_quota"}}, "quota", EngineAccessError, False),
            ("no json", "malformed", EngineReplyError, True),
        ],
    )
    def test_what_breaks_a_stream_off(
        self, chat_server: Any, sent: Any, kind: str, error_type: type, transient: bool
    ) -> None:
        chat_server.send(events(WHOLE[1], sent, *WHOLE[2:]), headers=EVENTS)
        error = error_of(engine_at(chat_server))
        assert type(error) is error_type
        assert (error.kind, error.transient) == (kind, transient)
        assert isinstance(error.usage, Usage)

    @pytest.mark.parametrize("status", [401, 429, 503])
    def test_a_status_means_what_it_means_without_a_stream(self, chat_server: Any, status: int) -> None:
        chat_server.fail(status)
        chat_server.fail(status)
        whole, pieces = error_of(engine_at(chat_server, stream=False)), error_of(engine_at(chat_server))
        assert (type(whole), whole.kind, str(whole)) == (type(pieces), pieces.kind, str(pieces))

    def test_a_page_instead_of_a_stream(self, chat_server: Any) -> None:
        chat_server.send("<!DOCTYPE html>", headers={"content-type": "text/html"})
        assert error_of(engine_at(chat_server)).kind == "page"

    def test_a_lost_connection(self, chat_server: Any) -> None:
        chat_server.send(events(*WHOLE), headers=EVENTS, fault="cut")
        assert error_of(engine_at(chat_server)).kind == "lost"

    def test_a_filtered_stream_is_no_completion(self, chat_server: Any) -> None:
        chat_server.send(events(WHOLE[1], chunk({}, "content_filter")), headers=EVENTS)
        assert error_of(engine_at(chat_server)).kind == "filtered"

    def test_a_stream_that_never_ends_is_left_in_time(self, faults: Any) -> None:
        with faults.faulty(faults.Plan(rate=1.0, kinds={"hang": 1}, hang=3600)) as (_, url):
            config = LLMConfig(name="m", model_string="m", base_url=url, timeout=0.3, stream=True)
            assert error_of(ChatEngine(config)).kind == "timeout"

    def test_a_key_in_two_pieces_is_taken_out(self, chat_server: Any) -> None:
        chat_server.send(events(chunk({"content": CANARY[:9]}), chunk({"content": CANARY[9:]}, "stop")), headers=EVENTS)
        assert ask(engine_at(chat_server, api_key=CANARY)).text == "***"

    def test_an_error_that_repeats_the_key_is_kept_without_it(self, chat_server: Any) -> None:
        chat_server.send(events({"error": {"message": f"bad key {CANARY}"}}), headers=EVENTS)
        assert CANARY[:12] not in str(error_of(engine_at(chat_server, api_key=CANARY)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects that have some of these fields, each as it should be or anything at all; or no object."""
    return st.fixed_dictionaries({}, optional={name: good | JSON for name, good in fields.items()}) | JSON


CALL = objects(index=st.integers(0, 2), id=st.text(max_size=3), function=objects(name=JSON, arguments=JSON))
DELTA = objects(content=st.text(max_size=4), refusal=JSON, tool_calls=st.lists(CALL, max_size=2))
CHOICE = objects(delta=DELTA, finish_reason=st.sampled_from(["stop", "length", None]), logprobs=JSON)
CHUNK = objects(choices=st.lists(CHOICE, max_size=2), usage=JSON, error=JSON, model=JSON)


@given(st.lists(CHUNK, max_size=4))
def test_any_chunks_make_a_completion_or_a_typed_error(chunks: list[Any]) -> None:
    from textgrad_agents.engines.wire import read_completion

    config = LLMConfig(name="m", model_string="m", base_url="http://localhost:1/v1")
    assembly = Assembly(config, [user("hello")])
    try:
        for one in chunks:
            assembly.add(json.dumps(one))
        completion = read_completion(assembly.reply(), config, [user("hello")])
    except EngineError:
        return
    assert completion.text.strip() or completion.tool_calls


@given(
    st.lists(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"])), min_size=1), st.data()
)
def test_events_do_not_depend_on_how_they_are_cut(texts: list[str], data: st.DataObject) -> None:
    raw = "".join(f"data: {text}\n\n" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    async def read() -> list[str]:
        async def come() -> Any:
            for piece in pieces:
                yield piece

        return [event async for event in read_events(come())]

    assert asyncio.run(read()) == texts


def test_a_long_line_is_read_in_a_time_that_grows_as_its_length() -> None:
    async def come(pieces: int) -> Any:
        yield b"data: "
        for _ in range(pieces):
            yield b"x" * 4096
        yield b"\n\n"

    async def read(pieces: int) -> list[str]:
        return [event async for event in read_events(come(pieces))]

    def seconds(work: Callable[[], str]) -> float:
        start = time.process_time()
        assert len(work()) == 8000 * 4096
        return time.process_time() - start

    reading = min(seconds(lambda: asyncio.run(read(8000))[0]) for _ in range(3))
    joining = min(seconds(lambda: b"".join(b"x" * 4096 for _ in range(8000)).decode()) for _ in range(3))
    assert reading < 100 * joining  # adding each piece to all before it would move thousands of times the bytes
