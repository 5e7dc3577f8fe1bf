"""An unmodified client of OpenAI's works against any engine; what is no request of that kind is refused in words."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines import ChatEngine, LLMConfig, RulebookEngine, ScriptedEngine
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.engines.serve import EngineServer, serving
from textgrad_agents.engines.serve.http import Rejected
from textgrad_agents.engines.serve.protocol import pieces, read_chat_request
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineError, EngineRefusal, EngineReplyError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall, ToolCallFunction, Usage, system, user

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
HELLO = [{"role": "user", "content": "hello"}]
CALL = ToolCall(id="c1", function=ToolCallFunction(name="weather", arguments={"city": "Oslo"}))


def between_tags(messages: Sequence[Message], _: GenerateOptions) -> str:
    (tag,) = set(re.findall(r"<(REPLY_\w+)>", messages[-1].text))
    return f'<{tag}>{{"a": 1}}</{tag}>'


class Served:
    """A script behind a server, with a client of each kind."""

    def __init__(self, url: str, script: ScriptedEngine) -> None:
        self.url = url
        self.script = script
        self.answer: Any = "hi there"
        self.client = openai.OpenAI(api_key="any", base_url=url, max_retries=0)

    def create(self, **fields: Any) -> Any:
        return self.client.chat.completions.create(**{"model": "any", "messages": HELLO} | fields)

    def raw(self, data: bytes) -> bytes:
        host, port = re.findall(r"//([\d.]+):(\d+)", self.url)[0]
        with socket.create_connection((host, int(port)), timeout=5) as plug:
            plug.sendall(data)
            plug.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: plug.recv(65536), b""))


def served(*, structured: bool = False) -> Iterator[Served]:
    script = ScriptedEngine(lambda *_: scene.answer, structured=structured)
    with serving(script) as url:
        scene = Served(url, script)
        yield scene
        scene.client.close()


@pytest.fixture
def scene() -> Iterator[Served]:
    yield from served()


@pytest.fixture
def structured_scene() -> Iterator[Served]:
    yield from served(structured=True)


class TestClient:
    def test_a_completion(self, scene: Served) -> None:
        scene.answer = Completion("hi there", usage=Usage(11, 7, 3, 2), model="scripted")
        reply = scene.create()
        assert reply.choices[0].message.content == "hi there"
        assert reply.choices[0].finish_reason == "stop"
        assert reply.model == "scripted"
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (11, 7, 18)
        assert reply.usage.prompt_tokens_details.cached_tokens == 3
        assert reply.usage.completion_tokens_details.reasoning_tokens == 2

    def test_the_engine_gets_what_was_sent(self, scene: Served) -> None:
        scene.create(
            messages=[{"role": "developer", "content": "Be brief."}, *HELLO],
            temperature=0.25,
            top_p=0.5,
            max_tokens=9,
            seed=2**62 + 1,
            stop="END",
            extra_body={"top_k": 4},
        )
        (call,) = scene.script.calls
        assert call.messages == (system("Be brief."), user("hello"))
        assert call.options == GenerateOptions(
            temperature=0.25, top_p=0.5, max_tokens=9, seed=2**62 + 1, stop=("END",), extra={"top_k": 4}
        )

    def test_a_stream(self, scene: Served) -> None:
        scene.answer = Completion("hi there,\n\n  you\n", usage=Usage(11, 7), model="scripted")
        chunks = list(scene.create(stream=True, stream_options={"include_usage": True}))
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        assert "".join(texts) == "hi there,\n\n  you\n"
        assert len([text for text in texts if text]) == 4
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert chunks[-1].usage.total_tokens == 18
        assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)

    @pytest.mark.parametrize("stream", [False, True])
    def test_tools(self, scene: Served, stream: bool) -> None:
        scene.answer = Completion("", "tool_calls", tool_calls=(CALL, CALL))
        conversation = [
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": [CALL.model_dump()]},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        ]
        choice = {"type": "function", "function": {"name": "weather"}}
        asked = {"messages": conversation, "tools": [TOOL], "tool_choice": choice}
        if stream:
            deltas = [chunk.choices[0].delta for chunk in scene.create(stream=True, **asked)]
            calls = [call for delta in deltas for call in delta.tool_calls or ()]
            assert [call.index for call in calls] == [0, 1]
        else:
            choice = scene.create(**asked).choices[0]
            assert choice.finish_reason == "tool_calls"
            calls = choice.message.tool_calls
        assert [(call.id, call.function.name, json.loads(call.function.arguments)) for call in calls] == [
            ("c1", "weather", {"city": "Oslo"})
        ] * 2
        (call,) = scene.script.calls
        assert call.options.tools == (TOOL,)
        assert call.options.tool_choice == "weather"
        assert call.messages[1].tool_calls == (CALL,)
        assert (call.messages[2].role, call.messages[2].content, call.messages[2].tool_call_id) == (
            "tool",
            "rain",
            "c1",
        )

    def test_models(self, scene: Served) -> None:
        assert [model.id for model in scene.client.models.list()] == ["scripted"]

    def test_many_calls_at_once_over_few_connections(self, scene: Served) -> None:
        scene.script._answer = lambda messages, _: f"echo {messages[0].text}"

        async def many() -> list[str]:
            async with openai.AsyncOpenAI(api_key="any", base_url=scene.url, max_retries=0) as client:
                calls = (
                    client.chat.completions.create(model="any", messages=[{"role": "user", "content": str(n)}])
                    for n in range(100)
                )
                return [reply.choices[0].message.content or "" for reply in await asyncio.gather(*calls)]

        assert asyncio.run(many()) == [f"echo {n}" for n in range(100)]

    def test_a_schema_reaches_engines_that_follow_one(self, structured_scene: Served) -> None:
        structured_scene.answer = '{"a": 1}'
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        structured_scene.create(response_format=form)
        structured_scene.create(response_format={"type": "json_object"})
        structured_scene.create(response_format={"type": "text"})
        asked = [call.options.response_schema for call in structured_scene.script.calls]
        assert asked == [schema, {"type": "object"}, None]

    def test_others_refuse_it_in_the_words_that_our_own_client_understands(self, scene: Served) -> None:
        with pytest.raises(openai.BadRequestError, match="response_format of type json_object is not followed here"):
            scene.create(response_format={"type": "json_object"})
        scene.script._answer = between_tags
        config = LLMConfig(name="m", model_string="m", base_url=scene.url, structured=True)
        options = GenerateOptions(response_schema={"type": "object", "required": ["a"]})
        completion = asyncio.run(ChatEngine(config).generate([user("hello")], options))
        assert (completion.text, completion.details["structured"]) == ('{"a": 1}', "tags")


class TestOurOwnClient:
    @pytest.mark.parametrize("stream", [False, True])
    def test_what_the_engine_says_comes_through(self, scene: Served, stream: bool) -> None:
        details = {"reasoning": "because", "logprobs": [{"token": "x", "logprob": -0.5}]}
        scene.answer = Completion(
            "text\u2028 with ünïcode", "length", Usage(5, 6, 1, 2), model="scripted", details=details
        )
        engine = ChatEngine(LLMConfig(name="m", model_string="m", base_url=scene.url, stream=stream))
        completion = asyncio.run(engine.generate([user("hello")]))
        assert (completion.text, completion.finish) == ("text\u2028 with ünïcode", "length")
        assert (completion.usage, completion.model) == (Usage(5, 6, 1, 2), "scripted")
        assert completion.details["logprobs"] == details["logprobs"]
        if not stream:
            assert completion.details["reasoning"] == "because"

    def test_the_built_in_engine_decides_the_same_over_the_wire(self) -> None:
        actor = system(
            "## Your policy\nnone yet\n\n## Answer format: one action\n- 0 = stay: s\n- 1 = up: u\n- 2 = down: d"
        )
        engine = RulebookEngine()
        with serving(engine) as url:
            remote = ChatEngine(LLMConfig(name="m", model_string="m", base_url=url))

            async def ask(one: Any) -> list[str]:
                return [
                    (await one.generate([actor, user("x")], GenerateOptions(temperature=0.5, seed=2**62 - seed))).text
                    for seed in range(50)
                ]

            here, there = asyncio.run(ask(engine)), asyncio.run(ask(remote))
        assert here == there
        assert len(set(here)) > 1


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "kind", "transient"),
        [
            (EngineRefusal("I play no such part"), "request", False),
            (EngineAccessError("no access"), "rights", False),
            (make_fault("key", "no key", EngineAccessError), "key", False),
            (make_fault("model", "no such model", EngineAccessError), "model", False),
            (make_fault("quota", "nothing left", EngineAccessError), "quota", False),
            (make_fault("budget", "spent", EngineAccessError), "quota", False),
            (make_fault("context", "too long", EngineError), "context", False),
            (make_fault("filtered", "reword it", EngineReplyError), "request", False),
            (make_fault("rate_limit", "slower", EngineError, retry_after=7.0), "rate_limit", True),
            (make_fault("overloaded", "later", EngineError), "overloaded", True),
            (make_fault("timeout", "late", EngineError), "overloaded", True),
            (EngineError("something else"), "server", True),
        ],
    )
    @pytest.mark.parametrize("stream", [False, True])
    def test_an_error_means_the_same_on_the_other_side(
        self, scene: Served, error: EngineError, kind: str, transient: bool, stream: bool
    ) -> None:
        scene.answer = error
        engine = ChatEngine(LLMConfig(name="m", model_string="m", base_url=scene.url, stream=stream))
        with pytest.raises(EngineError) as caught:
            asyncio.run(engine.generate([user("hello")]))
        assert (caught.value.kind, caught.value.transient) == (kind, transient)
        assert str(error) in str(caught.value)
        assert caught.value.retry_after == error.retry_after

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"messages": []}, "messages must have at least 1 item"),
            ({"messages": [{"role": "nobody", "content": "x"}]}, "role"),
            ({"messages": ["hello"]}, "messages.0"),
            ({"n": 2}, "n must be 1"),
            ({"temperature": "hot"}, "temperature"),
            ({"max_tokens": 0}, "max_tokens"),
            ({"tool_choice": {"type": "function"}}, "tool_choice must be"),
            ({"response_format": {"type": "json_schema"}}, "response_format"),
        ],
    )
    def test_what_is_wrong_is_said(self, scene: Served, fields: dict[str, Any], said: str) -> None:
        with pytest.raises(openai.BadRequestError, match=re.escape(said)):
            scene.create(**fields)
        assert not scene.script.calls
        assert scene.create().choices[0].message.content == "hi there"  # on the same connection

    def test_a_bug_in_an_engine_ends_its_connection_and_no_other(self, scene: Served) -> None:
        scene.answer = KeyError("a bug")
        with pytest.raises(openai.APIConnectionError):
            scene.create()
        scene.answer = "fine again"
        assert scene.create().choices[0].message.content == "fine again"


POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
BODY = json.dumps({"messages": HELLO}).encode()


def post(body: bytes = BODY, *headers: bytes) -> bytes:
    return POST + b"".join(header + b"\r\n" for header in headers) + b"content-length: %d\r\n\r\n" % len(body) + body


class TestWire:
    @pytest.mark.parametrize(
        ("data", "status", "said"),
        [
            (b"hello\r\n\r\n", 400, b"this is no HTTP request"),
            (b"GET / SPDY/3\r\n\r\n", 400, b"this is no HTTP request"),
            (b"GET /v1/nothing HTTP/1.1\r\n\r\n", 404, b"are served here, not GET /v1/nothing"),
            (b"GET /v1/chat/completions HTTP/1.1\r\n\r\n", 404, b"not GET /v1/chat/completions"),
            (POST + b"content-length: many\r\n\r\n", 400, b"content-length must be a number"),
            (POST + b"content-length: 99999999999\r\n\r\n", 413, b"this one announces 99999999999"),
            (POST + b"transfer-encoding: chunked\r\n\r\n", 411, b"with a content-length"),
            (POST + b"x: " + b"y" * 70_000 + b"\r\n\r\n", 431, b"the head of a request"),
            (post(b"{"), 400, b"the body is no JSON"),
            (post(b"[" * 100_000), 400, b"the body is no JSON"),
            (post(b"[]"), 400, b"invalid_request_error"),
            (post(b'{"messages": NaN}'), 400, b"NaN is not a JSON number"),
            (post(b'{"messages": [], "messages": []}'), 400, b"twice"),
            (post(BODY, b"host: evil.example"), 403, b"from this machine alone"),
            (post(BODY, b"host: ["), 403, b"from this machine alone"),
            (post(BODY, b"origin: https://evil.example"), 403, b"not from pages of"),
            (post(BODY, b"origin: null"), 403, b"not from pages of"),
        ],
    )
    def test_what_is_no_request_is_refused_in_words(self, scene: Served, data: bytes, status: int, said: bytes) -> None:
        answer = scene.raw(data)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert said in answer
        assert not scene.script.calls

    @pytest.mark.parametrize(
        "header", [b"host: 127.0.0.1:80", b"origin: http://localhost:3000", b"expect: 100-continue"]
    )
    def test_pages_and_names_of_this_machine_are_served(self, scene: Served, header: bytes) -> None:
        answer = scene.raw(post(BODY, header))
        assert b"hi there" in answer
        assert (b"100 Continue" in answer) is (b"expect" in header)

    def test_one_connection_serves_request_after_request(self, scene: Served) -> None:
        assert scene.raw(post() * 3).count(b"hi there") == 3
        assert scene.raw(post(BODY, b"connection: close") + post()).count(b"hi there") == 1

    @pytest.mark.parametrize("cut", [10, len(POST), -5])
    def test_a_client_that_leaves_leaves_no_trace(self, scene: Served, cut: int) -> None:
        assert scene.raw(post()[:cut]) == b""
        assert not scene.script.calls


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "tool"]) | JSON}, optional={"content": JSON, "tool_calls": JSON, "name": JSON}
)
FIELDS = ("tools", "tool_choice", "response_format", "stop", "seed", "stream_options")
REQUEST = st.fixed_dictionaries(
    {"messages": JSON | st.lists(MESSAGE, max_size=2)}, optional=dict.fromkeys(FIELDS, JSON)
)


@given(st.binary(max_size=300) | REQUEST.map(lambda request: json.dumps(request).encode()))
def test_reading_a_request_is_total(body: bytes) -> None:
    try:
        request = read_chat_request(body, structured=True)
    except Rejected as error:
        status, said = error.status, str(error)
    else:
        assert all(isinstance(message, Message) for message in request.messages)
        return
    assert status == 400
    assert len(said.splitlines()) <= 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_pieces_of_a_text_are_the_text(text: str) -> None:
    chunks = list(pieces(Completion(text), include_usage=False))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == text


class TestLife:
    def test_a_port_that_is_taken(self) -> None:
        with serving(ScriptedEngine([])) as url:
            port = int(re.findall(r":(\d+)/", url)[0])
            with pytest.raises(ConfigError, match=rf"port {port} cannot be used \(Address already in use\); choose"):
                asyncio.run(EngineServer(ScriptedEngine([])).start(port))

    @pytest.mark.parametrize("port", [-1, 70_000])
    def test_a_port_that_cannot_be_one(self, port: int) -> None:
        with pytest.raises(ConfigError, match=f"port {port} cannot be used"):
            asyncio.run(EngineServer(ScriptedEngine([])).start(port))

    def test_the_end_cancels_what_is_under_way(self) -> None:
        failed = threading.Event()

        def wait(url: str) -> None:
            with openai.OpenAI(api_key="any", base_url=url, max_retries=0) as client:
                try:
                    client.chat.completions.create(model="any", messages=[{"role": "user", "content": "x"}])
                except openai.APIConnectionError:
                    failed.set()

        script = ScriptedEngine(["late"], latency=3600)
        with serving(script) as url:
            thread = threading.Thread(target=wait, args=(url,))
            thread.start()
            while not script.calls:
                time.sleep(0.01)
        thread.join(timeout=60)
        assert failed.is_set()

    def test_only_this_machine_is_served(self) -> None:
        with serving(ScriptedEngine([])) as url:
            assert url.startswith("http://127.0.0.1:")
