"""Messages keep their wire form; usage adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from textgrad_agents.messages import Message, ToolCall, ToolCallFunction, Usage, assistant, system, user

counts = st.integers(0, 10**9)
usages = st.builds(Usage, counts, counts, counts, counts, st.booleans())


def test_roles_have_a_door_each() -> None:
    assert [one.role for one in (system("a"), user("b"), assistant("c"))] == ["system", "user", "assistant"]


def test_the_text_of_parts_leaves_images_out() -> None:
    parts = [
        {"type": "text", "text": "one"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "text", "text": "two"},
    ]
    assert user(parts).text == "one\ntwo"
    assert Message(role="assistant").text == ""


@given(text=st.text() | st.none(), name=st.none() | st.text(), arguments=st.dictionaries(st.text(), st.integers()))
def test_messages_survive_json(text: str | None, name: str | None, arguments: dict[str, int]) -> None:
    call = ToolCall(id="call_1", function=ToolCallFunction(name="look", arguments=arguments))
    message = Message(role="assistant", content=text, name=name, tool_calls=(call,), tool_call_id=None)
    assert Message.model_validate_json(message.model_dump_json()) == message


def test_messages_take_no_unknown_field() -> None:
    with pytest.raises(ValidationError):
        Message(role="user", content="a", colour="red")  # pyright: ignore[reportCallIssue]


@given(one=usages, two=usages, three=usages)
def test_usage_adds_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Usage() == one
    assert (one + two).input_tokens == one.input_tokens + two.input_tokens
    assert (one + two).estimated == (one.estimated or two.estimated)
