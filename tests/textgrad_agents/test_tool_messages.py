"""Messages as tools, agents and environments exchange them: content of any kind, facts, images, calls and answers."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import (
    INVALID_TOOL_NAME,
    EnvStateMessage,
    Message,
    MessagesAdapter,
    ToolCall,
    ToolCallFunction,
    ToolRequestMessage,
    ToolResponseMessage,
    encode_image_to_base64,
    join,
    user,
    validate_base64_image,
)

PARTS: list[dict[str, Any]] = [
    {"type": "text", "text": "look"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
]
RED = np.full((2, 3, 3), (255, 0, 0), dtype=np.uint8)

texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


class TestContent:
    def test_roles(self) -> None:
        for role in Message.VALID_ROLES:
            assert Message.model_validate({"role": role}).role == role
        with pytest.raises(ValidationError, match="role"):
            Message(role="wizard")

    def test_none_is_not_an_empty_text(self) -> None:
        assert Message().content is None
        assert Message(content="").content == ""
        assert [str(Message()), str(Message(content=""))] == ["", ""]

    @given(value=json_values.filter(lambda value: not isinstance(value, str)))
    def test_other_content_is_kept_as_its_json_text(self, value: Any) -> None:
        given_fields = {"content": value}
        message = Message.model_validate(given_fields)
        assert message.content == json.dumps(value)
        assert message.content_is_json_str
        assert given_fields == {"content": value}, "what was passed in is left alone"

    @pytest.mark.parametrize("content", [object(), {1, 2}, b"bytes", {"a": object()}])
    def test_content_that_is_not_like_json_is_refused(self, content: Any) -> None:
        with pytest.raises(ValidationError, match="text or JSON-serializable"):
            Message(content=content)

    def test_parts_are_parts_again_on_the_wire(self) -> None:
        message = user(PARTS)
        assert message.is_multimodal
        assert message.deserialized_content == PARTS
        assert message.model_dump(exclude_none=True) == {"role": "user", "content": PARTS}
        assert json.loads(message.model_dump_json(exclude_none=True)) == {"role": "user", "content": PARTS}
        assert str(message) == json.dumps(PARTS)

    @pytest.mark.parametrize("content", [[], ["look"], [{"type": "audio"}], {"type": "text", "text": "x"}, 5])
    def test_other_json_stays_a_text_on_the_wire(self, content: Any) -> None:
        message = Message(content=content)
        assert not message.is_multimodal
        assert message.model_dump()["content"] == message.text == json.dumps(content)

    def test_content_that_is_only_said_to_be_json_is_a_text(self) -> None:
        for content in ("no [json", "[" * 100_000):
            message = Message(content=content, content_is_json_str=True)
            assert not message.is_multimodal
            assert message.model_dump() == {"role": "user", "content": content}

    def test_the_wire_form_holds_role_and_content_and_what_else_is_set(self) -> None:
        assert Message(info={"a": 1}).model_dump() == {"role": "user", "content": None}
        assert Message(name="Ann").model_dump() == {"role": "user", "content": None, "name": "Ann"}
        assert ToolRequestMessage().model_dump() == {
            "role": "assistant",
            "content": None,
            "tool_calls": [],
            "function_call": None,
        }

    def test_facts_are_dumped_on_request_and_read_back(self) -> None:
        message = Message(content=PARTS, info={"cost": 2})
        dumped = message.model_dump(context={"include_info": True})
        assert dumped == {"role": "user", "content": PARTS, "info": {"cost": 2}, "content_is_json_str": True}
        assert Message.model_validate(dumped) == message
        as_text = message.model_dump(context={"include_info": True, "deserialize_content": False})
        assert as_text["content"] == message.content
        assert Message.model_validate(as_text) == message


class TestCacheBreakpoint:
    def test_it_marks_the_last_part(self) -> None:
        marked = {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}}
        assert Message(content="look", cache_breakpoint=True).model_dump() == {"role": "user", "content": [marked]}
        dumped = Message(content=[PARTS[1], PARTS[0]], cache_breakpoint=True).model_dump()
        assert dumped["content"] == [PARTS[1], marked]
        assert Message(cache_breakpoint=True).model_dump()["content"] is None

    def test_it_can_be_set_later(self) -> None:
        message = user("look")
        message.cache_breakpoint = True
        assert isinstance(message.model_dump()["content"], list)
        assert message.content == "look"

    def test_it_is_left_out_with_a_warning_where_content_stays_a_text(self, caplog: pytest.LogCaptureFixture) -> None:
        message = Message(content="look", cache_breakpoint=True)
        with caplog.at_level(logging.WARNING):
            assert message.model_dump(context={"deserialize_content": False})["content"] == "look"
        assert "cache_breakpoint ignored" in caplog.text


class TestAddingText:
    def test_before_and_after_a_text(self) -> None:
        message = user("b")
        assert message.append_text("c") is message
        assert message.prepend_text("a", delim="-").content == "a-b\nc"
        assert Message().append_text("x").content == "x"
        assert Message(content="").prepend_text("x").content == "x"

    def test_before_and_after_parts(self) -> None:
        message = user(PARTS)
        message.append_text("end").prepend_text("start")
        assert message.deserialized_content == [
            {"type": "text", "text": "start"},
            *PARTS,
            {"type": "text", "text": "end"},
        ]

    def test_on_a_deep_copy(self) -> None:
        request = ToolRequestMessage(content="a", tool_calls=[ToolCall.from_name("look")])
        copy = request.append_text("b", inplace=False)
        assert (request.content, copy.content) == ("a", "a\nb")
        assert type(copy) is ToolRequestMessage
        assert copy.tool_calls[0] == request.tool_calls[0]
        assert copy.tool_calls[0] is not request.tool_calls[0]

    def test_not_to_other_json(self) -> None:
        with pytest.raises(ValueError, match="not to '"):
            Message(content={"a": 1}).append_text("b")


class TestImages:
    def test_images_come_before_the_text(self) -> None:
        message = Message.create_message(text="What is it?", images=[RED, encode_image_to_base64(RED, "PNG")])
        assert isinstance(message.deserialized_content, list)
        assert [part["type"] for part in message.deserialized_content] == ["image_url", "image_url", "text"]
        assert message.text == "What is it?"
        assert Message.create_message(role="system", text="hi") == Message(role="system", content="hi")

    def test_one_image_without_a_list_or_a_text(self) -> None:
        (part,) = json.loads(Message.create_message(images=RED, info={"a": 1}).content or "")
        assert part["image_url"]["url"].startswith("data:image/png;base64,")

    def test_arrays_pictures_and_files_are_encoded(self) -> None:
        import io

        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(RED).save(file, format="JPEG")
        assert encode_image_to_base64(file.getvalue()).startswith("data:image/jpeg;base64,")
        data = encode_image_to_base64(Image.fromarray(RED), format="png").removeprefix("data:image/png;base64,")
        assert (np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) == RED).all()
        with pytest.raises(ConfigError, match="format='PNG'"):
            encode_image_to_base64(RED)
        with pytest.raises(ConfigError, match="must be an image file"):
            encode_image_to_base64(b"no image")

    @pytest.mark.parametrize("image", ["AA==", "data:image/png;base64,AAAA", "AA\nAA"])
    def test_base64_is_passed_on(self, image: str) -> None:
        assert validate_base64_image(image) is image

    @pytest.mark.parametrize("image", ["fake_base64", "data:image/png;base64,A", "https://a.b/c.png"])
    def test_other_texts_are_refused(self, image: str) -> None:
        with pytest.raises(ConfigError, match="Invalid base64 encoded image"):
            Message.create_message(images=image)


class TestCalls:
    @pytest.mark.parametrize("arguments", ["", None])
    def test_no_arguments(self, arguments: Any) -> None:
        assert ToolCallFunction(name="look", arguments=arguments).arguments == {}
        assert ToolCallFunction(name="look").arguments == {}

    @given(arguments=st.dictionaries(texts, json_values | st.none(), max_size=3))
    def test_arguments_travel_as_json_text(self, arguments: dict[str, Any]) -> None:
        call = ToolCall(id="1", function=ToolCallFunction(name="look", arguments=arguments))
        dumped = call.model_dump()
        assert json.loads(dumped["function"]["arguments"]) == arguments
        assert ToolCall.model_validate(dumped) == call
        assert ToolCall.model_validate_json(call.model_dump_json()) == call

    @pytest.mark.parametrize("arguments", ["({})", "[1]", "7", '{"a": ', "null", "[" * 100_000])
    def test_a_text_that_is_no_object_makes_the_call_invalid(self, arguments: str) -> None:
        function = ToolCallFunction.model_validate({"name": "look", "arguments": arguments})
        assert (function.name, function.arguments) == (INVALID_TOOL_NAME, {})

    def test_arguments_that_are_no_object_are_refused(self) -> None:
        with pytest.raises(ValidationError, match="arguments"):
            ToolCallFunction.model_validate({"name": "look", "arguments": [1]})

    def test_ids_are_nine_letters_and_digits(self) -> None:
        ids = {ToolCall.generate_id() for _ in range(100)}
        assert len(ids) == 100
        assert all(len(one) == 9 and one.isalnum() for one in ids)
        assert ToolCall.from_name("look", id="mine", where="up").id == "mine"

    def test_in_words(self) -> None:
        one = ToolCall.from_name("add", id="1", a=2, b="x")
        two = ToolCall.from_name("end", id="2")
        assert str(one) == str(one.function) == "add(a='2', b='x')"
        assert str(ToolRequestMessage(content="so")) == "so"
        assert str(ToolRequestMessage(content="so", tool_calls=[one, two])) == (
            "Tool request message 'so' for tool calls: add(a='2', b='x') [id=1]; end() [id=2]"
        )
        answer = ToolResponseMessage.from_call(one, "2x")
        assert str(answer) == "Tool response message '2x' for tool call ID 1 of tool 'add'"

    def test_answers_belong_to_their_calls(self) -> None:
        calls = [ToolCall.from_name("a", id="1"), ToolCall.from_name("b", id="2")]
        request = ToolRequestMessage(tool_calls=calls)
        answers = ToolResponseMessage.from_request(request, ("x", "y"))
        assert [(one.name, one.tool_call_id, one.content) for one in answers] == [("a", "1", "x"), ("b", "2", "y")]
        assert ToolResponseMessage.from_call(calls[0], "x", info={"t": 1}).info == {"t": 1}
        with pytest.raises(ValueError, match="shorter"):
            ToolResponseMessage.from_request(request, ("x",))

    @pytest.mark.parametrize("fields", [{"tool_calls": None}, {"role": "user"}, {"tool_calls": [{"id": "1"}]}])
    def test_a_malformed_request_is_refused(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            ToolRequestMessage(**fields)

    def test_what_providers_add_to_their_messages_is_dropped(self) -> None:
        fields = {"role": "assistant", "content": "hi", "tool_calls": [], "refusal": None, "annotations": []}
        assert ToolRequestMessage(**fields) == ToolRequestMessage(content="hi")


def test_mixed_lists_are_read_as_what_they_are() -> None:
    call = ToolCall.from_name("look", id="1")
    request = ToolRequestMessage(content=None, tool_calls=[call])
    messages: list[Message] = [user("a"), request, ToolResponseMessage.from_call(call, "sky"), user(PARTS)]
    dumped = [message.model_dump() for message in messages]
    read = MessagesAdapter.validate_python(dumped)
    assert [type(message) for message in read] == [Message, ToolRequestMessage, ToolResponseMessage, Message]
    assert read == messages
    assert MessagesAdapter.dump_python(messages) == dumped
    assert MessagesAdapter.validate_json(MessagesAdapter.dump_json(messages)) == messages


def test_join_puts_messages_below_each_other() -> None:
    messages = [Message(role="system", content="a"), EnvStateMessage(content="b"), Message()]
    assert join(messages) == "system: a\nuser: b\nuser: "
    assert join(messages, delimiter=" | ", include_roles=False) == "a | b | "
