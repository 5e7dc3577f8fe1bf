"""Whatever a server sends, the reader gives a completion or says what is wrong."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from textgrad_agents.engines.faults import status_fault
from textgrad_agents.engines.models import LLMConfig
from textgrad_agents.engines.wire import parse_reply, read_completion, to_wire
from textgrad_agents.errors import EngineError
from textgrad_agents.messages import Completion, Message, ToolCall, ToolCallFunction, user

CONFIG = LLMConfig(name="m", model_string="m", base_url="http://localhost:1/v1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects that have some of these fields, each as it should be or anything at all; or no object."""
    return st.fixed_dictionaries({}, optional={name: good | JSON for name, good in fields.items()}) | JSON


CALL = objects(
    id=st.text(max_size=3),
    function=objects(name=st.just("f"), arguments=st.sampled_from(["{}", "{", '{"a": 1}', "[]", "3"])),
)
MESSAGE = objects(
    content=st.text(max_size=5) | st.lists(objects(type=st.just("text"), text=st.text(max_size=3)), max_size=2),
    refusal=st.text(max_size=3),
    tool_calls=st.lists(CALL, max_size=2),
    reasoning=st.text(max_size=3),
)
FINISH = st.sampled_from(["stop", "length", "tool_calls", "content_filter", None])
CHOICE = objects(message=MESSAGE, finish_reason=FINISH, logprobs=objects(content=JSON))
DETAILS = objects(cached_tokens=st.integers(), reasoning_tokens=st.integers())
USAGE = objects(
    prompt_tokens=st.integers(-2, 9),
    completion_tokens=st.integers(-2, 9),
    total_tokens=st.integers(),
    prompt_tokens_details=DETAILS,
    completion_tokens_details=DETAILS,
)
REPLY = objects(choices=st.lists(CHOICE, max_size=2), usage=USAGE, model=st.text(max_size=3), error=JSON)


@given(REPLY)
@example({"choices": [{"message": {"content": "x"}, "finish_reason": ["stop"]}]})
@example({"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": True, "completion_tokens": 1}})
def test_the_reader_is_total(reply: Any) -> None:
    try:
        completion = read_completion(parse_reply(json.dumps(reply), CONFIG), CONFIG, [user("hello")])
    except EngineError:
        return
    assert isinstance(completion, Completion)
    assert completion.text.strip() or completion.tool_calls
    assert completion.text.encode()
    assert completion.usage.input_tokens >= 0
    assert completion.usage.output_tokens >= 0


@given(st.integers(300, 599), REPLY | objects(error=objects(message=JSON, code=JSON, type=JSON, param=JSON)))
def test_every_error_body_becomes_one_line(status: int, body: Any) -> None:
    error = status_fault(CONFIG, status, {}, json.dumps(body))
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 700


@given(st.dictionaries(st.text(max_size=5), JSON.filter(lambda value: value == value), max_size=3))
def test_tool_calls_survive_the_way_there_and_back(arguments: dict[str, Any]) -> None:
    arguments = json.loads(json.dumps(arguments).replace("NaN", "0").replace("Infinity", "1"))
    call = ToolCall(id="c", function=ToolCallFunction(name="f", arguments=arguments))
    reply = {"choices": [{"message": to_wire(Message(role="assistant", tool_calls=(call,)))}]}
    assert read_completion(parse_reply(json.dumps(reply), CONFIG), CONFIG, []).tool_calls == (call,)
