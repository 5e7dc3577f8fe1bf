"""ChatEngine against a real server on loopback."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import threading
import time
from typing import Any

import pytest

from textgrad_agents.engines import ChatEngine, LLMConfig
from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.errors import (
    ConfigError,
    EngineAccessError,
    EngineError,
    EngineRefusal,
    EngineReplyError,
    MissingKeyError,
)
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, ToolCall, ToolCallFunction, Usage, assistant, system, user

CANARY = "sk-canary-0123456789"
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def engine_at(server: Any, **fields: Any) -> ChatEngine:
    return ChatEngine(LLMConfig(**{"name": "test", "model_string": "test-model", "base_url": server.url} | fields))


def ask(engine: Engine, *messages: Message, **options: Any) -> Completion:
    return asyncio.run(engine.generate(messages or [user("hello")], GenerateOptions(**options)))


def error_of(engine: Engine, **options: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        ask(engine, **options)
    return caught.value


class TestRequests:
    def test_a_plain_call(self, chat_server: Any) -> None:
        chat_server.say("hello back")
        engine = engine_at(chat_server)
        completion = ask(engine, system("Be brief."), user("hello"))
        assert isinstance(engine, Engine)
        assert completion.text == "hello back"
        assert completion.finish == "stop"
        assert completion.usage == Usage(11, 7)
        assert completion.model == "served-model"
        (request,) = chat_server.requests
        assert request.path == "/v1/chat/completions"
        assert request.body == {
            "model": "test-model",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
            "max_tokens": 4096,
        }

    def test_fields_options_and_provider_parameters(self, chat_server: Any) -> None:
        engine = engine_at(
            chat_server,
            temperature=0.1,
            top_p=0.9,
            stop=["END"],
            reasoning_effort="low",
            extra_params={"top_k": 5, "min_p": 0.1},
        )
        completion = ask(engine, temperature=0.7, seed=2**40 + 3, max_tokens=9, extra={"top_k": 6})
        sent = {
            "temperature": 0.7,
            "top_p": 0.9,
            "stop": ["END"],
            "reasoning_effort": "low",
            "seed": 2**40 + 3,
            "max_tokens": 9,
            "top_k": 6,
            "min_p": 0.1,
        }
        assert sent.items() <= chat_server.requests[0].body.items()
        assert completion.details["parameters"] == sent

    def test_temperature_zero_is_sent(self, chat_server: Any) -> None:
        ask(engine_at(chat_server), temperature=0.0)
        assert chat_server.requests[0].body["temperature"] == 0.0

    def test_tools_and_the_conversation_about_them(self, chat_server: Any) -> None:
        chat_server.say(
            None,
            finish="tool_calls",
            message={
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
                ]
            },
        )
        engine = engine_at(chat_server)
        completion = ask(engine, user("weather?"), tools=(WEATHER,), tool_choice="weather")
        call = ToolCall(id="c1", function=ToolCallFunction(name="weather", arguments={"city": "Oslo"}))
        assert completion.tool_calls == (call,)
        assert completion.finish == "tool_calls"
        assert completion.text == ""
        ask(
            engine,
            user("weather?"),
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", tool_call_id="c1", name="weather", content="rain"),
            tools=(WEATHER,),
            tool_choice="auto",
        )
        first, second = (request.body for request in chat_server.requests)
        assert first["tools"] == [WEATHER]
        assert first["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
        assert second["tool_choice"] == "auto"
        assert second["messages"][1:] == [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
                ],
            },
            {"role": "tool", "content": "rain", "name": "weather", "tool_call_id": "c1"},
        ]

    def test_a_tool_choice_without_tools_is_not_sent(self, chat_server: Any) -> None:
        ask(engine_at(chat_server), tool_choice="auto")
        assert "tool_choice" not in chat_server.requests[0].body

    def test_images_go_to_models_that_take_them(self, chat_server: Any) -> None:
        parts = [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]
        ask(engine_at(chat_server, is_multimodal=True), user(parts))
        assert chat_server.requests[0].body["messages"][0]["content"] == parts
        with pytest.raises(EngineRefusal, match="set is_multimodal"):
            ask(engine_at(chat_server), user(parts))
        assert len(chat_server.requests) == 1

    def test_an_assistant_message_without_content_is_sent_as_an_empty_text(self, chat_server: Any) -> None:
        ask(engine_at(chat_server), user("a"), Message(role="assistant"), assistant("b"), user("c"))
        assert [message["content"] for message in chat_server.requests[0].body["messages"]] == ["a", "", "b", "c"]


class TestReplies:
    def test_every_usage_field_is_read(self, chat_server: Any) -> None:
        chat_server.say(
            usage={
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 40},
                "completion_tokens_details": {"reasoning_tokens": 30},
            }
        )
        assert ask(engine_at(chat_server)).usage == Usage(100, 50, cached_tokens=40, reasoning_tokens=30)

    def test_reasoning_counted_in_the_total_alone_is_output(self, chat_server: Any) -> None:
        chat_server.say(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40})
        assert ask(engine_at(chat_server)).usage == Usage(10, 30)

    @pytest.mark.parametrize(
        "usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": 2}, {"prompt_tokens": "3"}, [1], "many"]
    )
    def test_missing_usage_is_estimated_and_marked(self, chat_server: Any, usage: Any) -> None:
        chat_server.say("four words of text", usage=usage)
        expected = Usage(estimate_tokens("hello"), estimate_tokens("four words of text"), estimated=True)
        assert ask(engine_at(chat_server)).usage == expected

    @pytest.mark.parametrize(
        ("said", "finish"), [("stop", "stop"), ("length", "length"), ("eos", "stop"), (None, "stop")]
    )
    def test_finish_reasons(self, chat_server: Any, said: str | None, finish: str) -> None:
        chat_server.say("text", finish=said)
        assert ask(engine_at(chat_server)).finish == finish

    def test_tool_calls_of_lenient_servers(self, chat_server: Any) -> None:
        call = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
        chat_server.say("", finish="stop", message={"tool_calls": [call, {"function": {"name": "now"}}]})
        completion = ask(engine_at(chat_server))
        assert completion.finish == "tool_calls"
        assert [(one.id, one.function.name, one.function.arguments) for one in completion.tool_calls] == [
            ("call_0", "weather", {"city": "Oslo"}),
            ("call_1", "now", {}),
        ]

    def test_reasoning_and_logprobs_are_kept_as_details(self, chat_server: Any) -> None:
        reply = {"message": {"role": "assistant", "content": "4", "reasoning_content": "2+2"}, "finish_reason": "stop"}
        reply["logprobs"] = {"content": [{"token": "4", "logprob": -0.1}]}
        chat_server.say(choices=[reply])
        completion = ask(engine_at(chat_server), extra={"logprobs": True})
        assert chat_server.requests[0].body["logprobs"] is True
        assert completion.details["reasoning"] == "2+2"
        assert completion.details["logprobs"] == [{"token": "4", "logprob": -0.1}]

    def test_content_in_parts_is_joined(self, chat_server: Any) -> None:
        chat_server.say([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"text": "b"}, 3])
        assert ask(engine_at(chat_server)).text == "a"

    def test_half_characters_do_not_poison_the_next_request(self, chat_server: Any) -> None:
        chat_server.send(b'{"choices": [{"message": {"content": "a\\ud800b"}}]}')
        engine = engine_at(chat_server)
        text = ask(engine).text
        assert text == "a?b"
        ask(engine, assistant(text))
        assert chat_server.requests[1].body["messages"][0]["content"] == "a?b"

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ("<!DOCTYPE html><html>Sign in</html>", "a web page"),
            ("", "no JSON"),
            ("{", "no JSON"),
            ("[" * 100_000, "no JSON"),
            ("[]", "JSON that is no completion"),
            ('"ok"', "JSON that is no completion"),
            ({}, "no choices"),
            ({"choices": []}, "no choices"),
            ({"choices": None}, "no choices"),
            ({"error": {"message": "model overloaded"}}, "no choices: model overloaded"),
            ({"choices": [None]}, "is empty"),
            ({"choices": [{"message": None}]}, "is empty"),
            ({"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}, "is empty"),
            ({"choices": [{"message": {"content": " \n"}, "finish_reason": "stop"}]}, "is empty"),
            (
                {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}}]},
                "cannot be read",
            ),
            ({"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{}"}}]}}]}, "cannot be read"),
        ],
    )
    def test_what_is_no_reply_is_an_error_worth_another_try(self, chat_server: Any, body: Any, said: str) -> None:
        chat_server.send(body)
        error = error_of(engine_at(chat_server))
        assert isinstance(error, EngineAccessError if said == "a web page" else EngineReplyError)
        assert error.transient
        assert said in str(error)
        assert "\n" not in str(error)

    def test_a_charged_empty_reply_says_what_it_used(self, chat_server: Any) -> None:
        chat_server.say(None)
        assert error_of(engine_at(chat_server)).usage == Usage(11, 7)

    def test_a_budget_spent_on_reasoning(self, chat_server: Any) -> None:
        usage = {"prompt_tokens": 5, "completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 64}}
        chat_server.say("", finish="length", usage=usage)
        error = error_of(engine_at(chat_server))
        assert isinstance(error, EngineReplyError)
        assert not error.transient
        assert "spent all 64 tokens, 64 of them on reasoning" in str(error)
        assert "raise max_tokens" in str(error)

    def test_a_cut_text_is_a_completion_that_says_so(self, chat_server: Any) -> None:
        chat_server.say("half a sen", finish="length")
        assert ask(engine_at(chat_server)).finish == "length"

    def test_a_filtered_reply_is_no_completion(self, chat_server: Any) -> None:
        chat_server.say("partial", finish="content_filter")
        error = error_of(engine_at(chat_server))
        assert isinstance(error, EngineReplyError)
        assert not error.transient
        assert "filtered" in str(error)

    def test_a_model_that_declines_may_be_asked_again(self, chat_server: Any) -> None:
        chat_server.say(None, message={"refusal": "I can't help\nwith that."})
        error = error_of(engine_at(chat_server))
        assert isinstance(error, EngineReplyError)
        assert error.kind == "refusal"
        assert error.transient
        assert "I can't help with that." in str(error)
        assert error.usage == Usage(11, 7)


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "error", "kind", "transient", "said"),
        [
            (400, {"message": "bad", "param": "top_k"}, EngineError, False, "because of top_k"),
            (400, {"message": "too long", "code": "context_length_exceeded"}, EngineError, False, "prompt is too long"),
            (400, {"message": "API key not valid."}, EngineAccessError, False, "wants a key"),
            (400, {"message": "gone", "code": "model_decommissioned"}, EngineAccessError, False, "does not serve"),
            (401, {"message": "no"}, EngineAccessError, False, "set api_key_env_var"),
            (402, {"message": "Insufficient Balance"}, EngineAccessError, False, "no quota or credit left"),
            (403, {"message": "no"}, EngineAccessError, False, "may not use test-model"),
            (404, {"message": "no such model"}, EngineAccessError, False, "'test-model' (404): no such model"),
            (408, {"message": "slow"}, EngineError, True, "cannot answer now (408)"),
            (413, {"message": "big"}, EngineError, False, "refused the request"),
            (429, {"message": "Rate limit reached"}, EngineError, True, "limits the rate"),
            (429, {"message": "x", "code": "insufficient_quota"}, EngineAccessError, False, "no quota or credit left"),
            (429, {"message": "x", "type": "insufficient_quota"}, EngineAccessError, False, "no quota or credit left"),
            (500, {"message": "oops"}, EngineError, True, "cannot answer now (500): oops"),
            (503, {"message": "full"}, EngineError, True, "cannot answer now (503)"),
            (529, {"message": "full"}, EngineError, True, "cannot answer now (529)"),
        ],
    )
    def test_each_status_has_its_meaning(
        self, chat_server: Any, status: int, error: dict[str, str], kind: type, transient: bool, said: str
    ) -> None:
        chat_server.fail(status, **error)
        fault = error_of(engine_at(chat_server))
        assert type(fault) is kind
        assert fault.transient is transient
        assert said in str(fault)
        assert "\n" not in str(fault)
        assert len(chat_server.requests) == 1

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "<html>\n<h1>Bad gateway</h1></html>",
            b"\xff\xfe",
            "null",
            "[]",
            "[3]",
            '"text"',
            {"detail": [{"loc": ["body"]}]},
            [{"error": {"code": 500, "message": "in a list", "status": "INTERNAL"}}],
            {"error": "a text"},
            {"error": {"message": {"nested": 1}, "code": 7, "param": ["a"]}},
            {"error": {"message": "x" * 100_000}},
        ],
    )
    def test_any_error_body_becomes_one_short_line(self, chat_server: Any, body: Any) -> None:
        chat_server.send(body, 500)
        fault = error_of(engine_at(chat_server))
        assert fault.transient
        assert len(str(fault)) < 400
        assert "\n" not in str(fault)

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "7"}, 7.0),
            ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
            ({"retry-after": "-3"}, 0.0),
            ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
            ({"retry-after": "soon"}, None),
            ({}, None),
        ],
    )
    def test_the_wait_that_a_server_asks_for(
        self, chat_server: Any, headers: dict[str, str], seconds: float | None
    ) -> None:
        chat_server.fail(429, headers=headers)
        assert error_of(engine_at(chat_server)).retry_after == seconds

    def test_a_date_to_wait_for(self, chat_server: Any) -> None:
        from email.utils import formatdate

        chat_server.fail(503, headers={"retry-after": formatdate(time.time() + 60, usegmt=True)})
        assert 50 < (error_of(engine_at(chat_server)).retry_after or 0) <= 60

    @pytest.mark.parametrize("fault", ["reset", "cut"])
    def test_a_lost_connection(self, chat_server: Any, fault: str) -> None:
        chat_server.say("never read", choices=[{"message": {"content": "x" * 1000}}])
        chat_server._replies[-1] = type(chat_server._replies[-1])(chat_server._replies[-1].body, fault=fault)
        error = error_of(engine_at(chat_server))
        assert error.transient
        assert "no reply from http://127.0.0.1" in str(error)

    def test_nobody_there(self, chat_server: Any) -> None:
        chat_server.__exit__()
        error = error_of(engine_at(chat_server))
        assert error.transient
        assert "check that the server is up" in str(error)

    def test_a_slow_server_is_left_in_time(self, chat_server: Any) -> None:
        chat_server.say("late")
        chat_server._replies[-1] = type(chat_server._replies[-1])(chat_server._replies[-1].body, delay=3600)
        engine = engine_at(chat_server, timeout=0.3)
        error = error_of(engine)
        assert error.transient
        assert "within 0.3 s" in str(error)

    def test_a_cancelled_call_stays_cancelled(self, chat_server: Any) -> None:
        chat_server.send("{}", delay=30)

        async def give_up() -> None:
            async with asyncio.timeout(0.3):
                await engine_at(chat_server).generate([user("hello")])

        with pytest.raises(TimeoutError):
            asyncio.run(give_up())

    def test_an_unknown_retired_model_is_told_its_successor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from textgrad_agents.engines.faults import status_fault

        config = LLMConfig(name="old", model_string="o1", api_key="key-of-somebody")
        assert "its successor here is 'gpt-6.1-sol'" in str(status_fault(config, 404, {}, ""))


class TestKeys:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_refused_and_the_other_server_hears_nothing(
        self, chat_server: Any, second_server: Any, status: int
    ) -> None:
        chat_server.send("", status, headers={"location": f"{second_server.url}/chat/completions"})
        error = error_of(engine_at(chat_server, api_key=CANARY))
        assert not error.transient
        assert "redirects are not followed" in str(error)
        assert chat_server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
        assert second_server.requests == []
        assert second_server.connections == 0

    def test_the_key_is_sent_as_a_bearer(self, chat_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MY_SERVER_KEY", f" {CANARY}\n")
        ask(engine_at(chat_server, api_key_env_var="MY_SERVER_KEY"))
        assert chat_server.requests[0].headers["authorization"] == f"Bearer {CANARY}"

    def test_a_local_server_gets_no_key_of_a_provider_nor_anything_else_meant_for_one(
        self, chat_server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "TOGETHER_API_KEY"):
            monkeypatch.setenv(name, CANARY)
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {CANARY}\nX-Gateway: {CANARY}")
        monkeypatch.setenv("OPENAI_BASE_URL", "https://api.example.com/v1")
        ask(engine_at(chat_server))
        ask(engine_at(chat_server, api_key_env_var="TOGETHER_API_KEY"))
        for request in chat_server.requests:
            assert CANARY not in str(dict(request.headers))
            assert "authorization" not in {name.lower() for name in request.headers}

    def test_a_proxy_is_not_asked_about_this_machine(
        self, chat_server: Any, second_server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", second_server.url.removesuffix("/v1"))
        monkeypatch.setenv("http_proxy", second_server.url.removesuffix("/v1"))
        assert ask(engine_at(chat_server)).text == "ok"
        assert second_server.connections == 0

    def test_a_missing_key_is_said_before_anything_is_sent(self) -> None:
        with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
            ask(ChatEngine(LLMConfig(name="gpt-4o-mini", model_string="gpt-4o-mini")))

    def test_a_providers_key_is_kept_from_other_hosts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        with pytest.raises(ConfigError, match=r"sent to https://api.openai.com alone.*--api_key_env") as caught:
            ask(ChatEngine(LLMConfig(name="m", model_string="m", base_url="https://collector.example/v1")))
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize(
        "answer",
        [
            lambda server: server.fail(401, f"Incorrect API key provided: {CANARY}"),
            lambda server: server.fail(500, f"while checking {CANARY}"),
            lambda server: server.fail(404, f"{CANARY} may not"),
            lambda server: server.send(f"<html>{CANARY}</html>", 503),
            lambda server: server.send("x" * 190 + CANARY, 500),
            lambda server: server.send(f"<html>{CANARY}</html>"),
            lambda server: server.send({"error": {"message": CANARY}}),
            lambda server: server.say(None, message={"refusal": CANARY}),
            lambda server: server.send("", 302, headers={"location": f"http://elsewhere.example/?key={CANARY}"}),
            lambda server: server.send("{}", fault="reset"),
            lambda server: server.send("{}", fault="cut"),
        ],
    )
    def test_no_error_holds_the_key_even_if_the_server_repeats_it(self, chat_server: Any, answer: Any) -> None:
        answer(chat_server)
        error = error_of(engine_at(chat_server, api_key=CANARY))
        assert chat_server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
        assert CANARY[:12] not in everything_in(error)

    def test_a_reply_that_repeats_the_key_is_kept_without_it(self, chat_server: Any) -> None:
        key = "key/with/slashes"
        chat_server.send('{"choices": [{"message": {"content": "key/with/slashes or key\\/with\\/slashes"}}]}')
        assert ask(engine_at(chat_server, api_key=key)).text == "*** or ***"

    def test_a_placeholder_is_no_secret(self, chat_server: Any) -> None:
        chat_server.say("EMPTY is a word")
        assert ask(engine_at(chat_server, api_key="EMPTY")).text == "EMPTY is a word"

    def test_no_text_or_copy_of_an_engine_holds_the_key(self, chat_server: Any) -> None:
        engine = engine_at(chat_server, api_key=CANARY)
        ask(engine)
        copy = pickle.dumps(engine)
        assert CANARY.encode() not in copy
        assert CANARY not in f"{engine!r} {engine.config!r} {engine.config} {engine.config.to_dict()}"
        assert type(engine)(engine.config).config.get_api_key() == CANARY

    def test_a_log_at_the_finest_level_holds_no_key(self, chat_server: Any, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            ask(engine_at(chat_server, api_key=CANARY))
            chat_server.fail(500)
            error_of(engine_at(chat_server, api_key=CANARY))
        assert len(caplog.records) > 4
        assert CANARY not in caplog.text


def everything_in(error: BaseException) -> str:
    """All that can be reached from an exception without looking into frames."""
    parts: list[str] = []
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        request = getattr(one, "request", None)
        parts.append(f"{one!r} {one} {one.__dict__!r} {getattr(request, 'headers', '')!r}")
        parts.extend(getattr(one, "__notes__", []))
        todo += [one.__cause__, one.__context__]
    return "\n".join(parts)


class TestModels:
    """What OpenAI's models accept is decided by name and address, so these need no server."""

    @pytest.mark.parametrize(
        ("model", "effort", "sampling_sent"),
        [
            ("gpt-4o", None, True),
            ("gpt-4.1-mini", None, True),
            ("gpt-5", None, False),
            ("gpt-5-mini-2025-08-07", None, False),
            ("gpt-5", "none", False),
            ("o1", None, False),
            ("o3-pro", None, False),
            ("gpt-5.2", None, True),
            ("gpt-5.2", "high", False),
            ("gpt-5.4-mini", "none", True),
            ("gpt-5.4-pro", "none", False),
            ("gpt-5.5", None, False),
            ("gpt-5.6-luna", "none", True),
            ("gpt-5.10", None, False),
            ("gpt-6-sol", None, False),
            ("gpt-6-sol", "none", True),
            ("gpt-6.1-terra", "none", True),
            ("gpt-6.1-sol", "none", False),
            ("gpt-6-astra", "none", False),
        ],
    )
    def test_sampling_is_kept_from_models_that_reason(
        self, model: str, effort: str | None, sampling_sent: bool
    ) -> None:
        from textgrad_agents.engines.parameters import parameters

        config = LLMConfig(name=model, model_string=model, reasoning_effort=effort)
        options = GenerateOptions(temperature=0.2, top_p=0.5, stop=("x",), seed=1, extra={"logprobs": True})
        sent, dropped = parameters(config, options)
        assert ("temperature" in sent) is sampling_sent
        assert set(dropped) == (set() if sampling_sent else {"temperature", "top_p", "stop", "logprobs"})
        assert not set(dropped) & set(sent)
        assert sent["max_completion_tokens"] == 4096
        assert "max_tokens" not in sent
        assert sent["seed"] == 1

    def test_the_default_temperature_is_not_worth_a_word(self) -> None:
        from textgrad_agents.engines.parameters import parameters

        config = LLMConfig(name="o1", model_string="o1")
        assert parameters(config, GenerateOptions(temperature=1.0)) == (
            {"max_completion_tokens": 4096, "temperature": 1.0},
            (),
        )

    def test_other_servers_get_what_they_know(self) -> None:
        from textgrad_agents.engines.parameters import parameters

        local = LLMConfig(name="o1", model_string="o1", base_url="http://localhost:8000/v1", temperature=0.3)
        assert parameters(local, GenerateOptions()) == ({"max_tokens": 4096, "temperature": 0.3}, ())
        mistral = LLMConfig(name="m", model_string="m", base_url="https://api.mistral.ai/v1")
        assert parameters(mistral, GenerateOptions(seed=4))[0] == {"max_tokens": 4096, "random_seed": 4}

    def test_what_is_not_sent_is_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        engine = ChatEngine(LLMConfig(name="gpt-5", model_string="gpt-5", temperature=0.2))
        with caplog.at_level(logging.WARNING):
            engine._tell(("temperature",))
            engine._tell(("temperature",))
            engine._tell(("temperature", "top_p"))
        assert [record.getMessage() for record in caplog.records] == [
            "gpt-5 takes no temperature while it reasons; not sent",
            "gpt-5 takes no top_p while it reasons; not sent",
        ]


class TestLoops:
    def test_calls_of_one_loop_share_connections(self, chat_server: Any) -> None:
        engine = engine_at(chat_server)

        async def several() -> None:
            for _ in range(5):
                await engine.generate([user("hello")])

        asyncio.run(several())
        assert chat_server.connections == 1

    def test_one_engine_serves_loop_after_loop_and_leaves_nothing_open(self, chat_server: Any) -> None:
        engine = engine_at(chat_server)
        for _ in range(3):
            assert ask(engine).text == "ok"
        assert chat_server.connections == 3
        del engine
        gc.collect()  # an open socket would warn here, and warnings are errors

    def test_one_engine_serves_several_threads_at_once(self, chat_server: Any) -> None:
        engine = engine_at(chat_server)
        texts: list[str] = []

        async def several() -> None:
            completions = await asyncio.gather(*(engine.generate([user("hello")]) for _ in range(5)))
            texts.extend(completion.text for completion in completions)

        threads = [threading.Thread(target=lambda: asyncio.run(several())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert texts == ["ok"] * 20

    def test_closing_and_going_on(self, chat_server: Any) -> None:
        engine = engine_at(chat_server)

        async def close_between() -> None:
            await engine.generate([user("hello")])
            (client,) = engine._connections.get().clients
            await engine.aclose()
            assert client.is_closed()
            await engine.aclose()
            assert (await engine.generate([user("hello")])).text == "ok"

        asyncio.run(close_between())
        assert chat_server.connections == 2

    def test_the_end_of_a_loop_closes_its_connections(self, chat_server: Any) -> None:
        engine = engine_at(chat_server)

        async def look() -> Any:
            await engine.generate([user("hello")])
            (client,) = engine._connections.get().clients
            return client

        assert asyncio.run(look()).is_closed()

    def test_an_engine_that_is_dropped_closes_its_connections(self, chat_server: Any) -> None:
        async def drop() -> list[int]:
            engine = engine_at(chat_server)
            await engine.generate([user("hello")])
            open_connections = [chat_server.open_connections]
            del engine
            gc.collect()
            for _ in range(100):
                await asyncio.sleep(0.01)
                if not chat_server.open_connections:
                    break
            return [*open_connections, chat_server.open_connections]

        assert asyncio.run(drop()) == [1, 0]

    def test_many_calls_at_once(self, chat_server: Any) -> None:
        engine = engine_at(chat_server)
        make_reply = type(chat_server).take.__globals__["make_reply"]
        completion = type(chat_server).take.__globals__["completion"]
        chat_server.rule = lambda request: make_reply(completion(request.body["messages"][0]["content"]))

        async def many() -> list[str]:
            calls = (engine.generate([user(f"number {index}")]) for index in range(100))
            return [each.text for each in await asyncio.gather(*calls)]

        assert asyncio.run(many()) == [f"number {index}" for index in range(100)]
