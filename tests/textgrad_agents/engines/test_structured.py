"""Replies in JSON: asked for in the strictest way that the server takes, and no stricter twice."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines import ChatEngine, LLMConfig, Retried
from textgrad_agents.engines.structured import Form
from textgrad_agents.errors import EngineError, EngineReplyError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message, Usage, user

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
VALUE = '{"a": "b"}'
BODY = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def engine_at(server: Any, **fields: Any) -> ChatEngine:
    return ChatEngine(LLMConfig(**{"name": "test", "model_string": "test-model", "base_url": server.url} | fields))


def ask(engine: Engine, *messages: Message, schema: dict[str, Any] = SCHEMA) -> Completion:
    return asyncio.run(engine.generate(messages or [user("hello")], GenerateOptions(response_schema=schema)))


def tagged(request: Any, value: str = VALUE) -> str:
    """An answer between the tags that a request names."""
    text = request.body["messages"][-1]["content"]
    tag = re.findall(r"<(REPLY_[0-9a-f]{8})>", text if isinstance(text, str) else json.dumps(text))[-1]
    return f"Well: <{tag}>{value}</{tag}> so much for that."


class TestLadder:
    def test_the_schema_goes_to_servers_that_hold_the_model_to_it(self, chat_server: Any) -> None:
        chat_server.say(VALUE)
        engine = engine_at(chat_server, structured=True)
        completion = ask(engine)
        assert engine.structured
        assert completion.text == VALUE
        assert completion.details["structured"] == "json_schema"
        sent = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": SCHEMA}}
        assert chat_server.requests[0].body["response_format"] == sent
        assert completion.details["parameters"]["response_format"] == sent
        assert chat_server.requests[0].body["messages"] == [{"role": "user", "content": "hello"}]

    def test_servers_that_know_json_alone_are_told_the_schema_in_words(self, chat_server: Any) -> None:
        chat_server.say(f"```json\n{VALUE}\n```")
        engine = engine_at(chat_server, structured="json_object")
        assert engine.structured
        assert ask(engine).text == VALUE
        body = chat_server.requests[0].body
        assert body["response_format"] == {"type": "json_object"}
        assert "one JSON object that follows this JSON Schema" in body["messages"][-1]["content"]
        assert json.dumps(SCHEMA) in body["messages"][-1]["content"]

    def test_all_others_answer_between_tags(self, chat_server: Any, faults: Any) -> None:
        make_reply = type(chat_server).take.__globals__["make_reply"]
        completion = type(chat_server).take.__globals__["completion"]
        chat_server.rule = lambda request: make_reply(completion(tagged(request)))
        engine = engine_at(chat_server)
        assert not engine.structured
        assert ask(engine).text == VALUE
        assert "response_format" not in chat_server.requests[0].body

    def test_what_a_server_refuses_is_asked_for_more_simply_and_not_tried_again(
        self, chat_server: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_reply = type(chat_server).take.__globals__["make_reply"]
        completion = type(chat_server).take.__globals__["completion"]

        def rule(request: Any) -> Any:
            if "response_format" in request.body:
                error = {"message": "'response_format' is not supported with this model", "param": "response_format"}
                return make_reply({"error": error}, 400)
            return make_reply(completion(tagged(request)))

        chat_server.rule = rule
        engine = engine_at(chat_server, structured=True)
        with caplog.at_level(logging.WARNING):
            assert ask(engine).text == VALUE
        kinds = [request.body.get("response_format", {}).get("type") for request in chat_server.requests]
        assert kinds == ["json_schema", "json_object", None]
        assert [record.getMessage() for record in caplog.records] == [
            "test-model takes no json_schema; asking by json_object from now on",
            "test-model takes no json_object; asking by tags from now on",
        ]
        assert not engine.structured
        assert ask(engine).details["structured"] == "tags"
        assert len(chat_server.requests) == 4

    def test_other_refusals_are_no_reason_to_ask_more_simply(self, chat_server: Any) -> None:
        chat_server.fail(400, "bad", param="top_k")
        engine = engine_at(chat_server, structured=True)
        with pytest.raises(EngineError, match="because of top_k"):
            ask(engine)
        assert len(chat_server.requests) == 1
        assert engine.structured

    def test_a_refusal_where_nothing_was_asked_for_is_an_error(self, chat_server: Any) -> None:
        chat_server.fail(400, "response_format?")
        with pytest.raises(EngineError) as caught:
            ask(engine_at(chat_server))
        assert caught.value.kind == "format"
        assert len(chat_server.requests) == 1

    def test_streams_are_asked_for_the_same(self, chat_server: Any) -> None:
        chat_server.say(VALUE)
        assert ask(engine_at(chat_server, structured=True, stream=True)).text == VALUE
        assert chat_server.requests[0].body["response_format"]["type"] == "json_schema"

    def test_an_answer_that_calls_a_tool_is_left_as_it_is(self, chat_server: Any) -> None:
        call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
        chat_server.say(None, message={"tool_calls": [call]})
        assert ask(engine_at(chat_server, structured=True)).tool_calls[0].function.name == "f"


class TestAsking:
    @pytest.mark.parametrize("level", ["json_object", "tags"])
    def test_the_words_stand_at_the_end_of_what_the_user_said(self, level: Any) -> None:
        form = Form.of(BODY, SCHEMA, level)
        (message,) = form.ask(BODY)["messages"]
        assert message["content"].startswith("hello\n\nAnswer with")
        parts = [{"type": "text", "text": "hello"}]
        (message,) = form.ask({"messages": [{"role": "user", "content": parts}]})["messages"]
        assert message["content"][0] == parts[0]
        assert message["content"][1]["text"].startswith("Answer with")
        *_, message = form.ask({"messages": [{"role": "tool", "content": "rain"}]})["messages"]
        assert message["role"] == "user"
        assert BODY["messages"] == [{"role": "user", "content": "hello"}]

    def test_equal_requests_have_equal_tags_and_others_have_others(self) -> None:
        one, same = (Form.of(BODY, SCHEMA, "tags").nonce for _ in range(2))
        other = Form.of({**BODY, "seed": 1}, SCHEMA, "tags").nonce
        assert one == same != other


class TestReading:
    def read(self, text: str, level: Any = "json_object", **fields: Any) -> Completion:
        form = Form(SCHEMA, level, "0badcafe")
        return form.read(Completion(text, usage=Usage(5, 6), **fields))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("Sure! Here it is.", "holds no JSON"),
            ("[1]", "is no JSON object"),
            ('{"b": 1}', "lacks a"),
            ("[" * 100_000, "holds no JSON"),
            (f"{VALUE} {VALUE}", "holds no JSON"),
        ],
    )
    def test_what_does_not_follow_is_worth_another_try(self, text: str, said: str) -> None:
        with pytest.raises(EngineReplyError) as caught:
            self.read(text)
        assert said in str(caught.value)
        assert (caught.value.kind, caught.value.transient, caught.value.usage) == ("schema", True, Usage(5, 6))
        assert "\n" not in str(caught.value)

    def test_json_that_was_cut_off_needs_a_higher_cap(self) -> None:
        with pytest.raises(EngineReplyError, match="cut off after 6 tokens; raise max_tokens") as caught:
            self.read('{"a": "b', finish="length")
        assert caught.value.kind == "length"

    @pytest.mark.parametrize(
        "text",
        [
            VALUE,
            f"<REPLY_deadbeef>{VALUE}</REPLY_deadbeef>",
            f"<REPLY_0badcafe>{VALUE}",
            f"<REPLY_0badcafe>{VALUE}</REPLY_0badcafe> or <REPLY_0badcafe>{VALUE}</REPLY_0badcafe>",
        ],
    )
    def test_only_one_pair_of_the_requests_own_tags_counts(self, text: str) -> None:
        with pytest.raises(EngineReplyError, match="between one pair of <REPLY_0badcafe>"):
            self.read(text, "tags")

    def test_quoted_tags_of_another_request_are_text(self) -> None:
        value = json.dumps({"a": "<REPLY_deadbeef>{}</REPLY_deadbeef>"})
        assert self.read(f"<REPLY_0badcafe>\n{value}\n</REPLY_0badcafe>", "tags").text == value

    @given(st.text(), st.sampled_from(["json_schema", "json_object", "tags"]))
    def test_reading_is_total(self, text: str, level: Any) -> None:
        try:
            completion = self.read(text, level)
        except EngineReplyError:
            return
        assert "a" in json.loads(completion.text)

    def test_a_schema_of_another_type_is_checked_by_who_asked(self) -> None:
        assert Form({"type": "array"}, "json_object", "x").read(Completion("[1]")).text == "[1]"


def test_a_cut_reply_is_asked_for_once_more_with_twice_the_cap(chat_server: Any) -> None:
    chat_server.say('{"a": "b', finish="length", usage={"prompt_tokens": 1, "completion_tokens": 50})
    chat_server.say(VALUE)
    assert ask(Retried(engine_at(chat_server, structured=True, max_tokens=50), first_wait=0.001)).text == VALUE
    assert [request.body["max_tokens"] for request in chat_server.requests] == [50, 100]
