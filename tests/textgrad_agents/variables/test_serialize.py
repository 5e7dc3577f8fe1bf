"""Graphs as JSON and back: nothing that can be shown is lost, damage is refused."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import FileFormatError, GraphError
from textgrad_agents.interfaces import Criticism, CriticRequest
from textgrad_agents.messages import Completion, Message, ToolCall, ToolRequestMessage, Usage, user
from textgrad_agents.ops import FxnOp, LLMCall, RewardLoss, op
from textgrad_agents.session import Session
from textgrad_agents.variables import (
    Gradient,
    Variable,
    compute_grads,
    graph_from_json,
    graph_to_json,
    load_graph,
    save_graph,
    topological_order,
)
from textgrad_agents.variables.values import Opaque, decode, encode

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(alphabet=st.characters(), max_size=8)
    | st.binary(max_size=8)
    | st.builds(user, st.text(max_size=5)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["a", "$type", "$variable", "b c", "\ud800"]), inner, max_size=3)
        | st.dictionaries(st.integers() | st.tuples(st.text(max_size=2)), inner, max_size=2)
    ),
    max_leaves=8,
)


def leaf(value: Any = "x", name: str = "", **options: Any) -> Variable:
    return Variable(value, role_description="input", name=name, **options)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())


# -- values ----------------------------------------------------------------------------------------------------------


@given(values)
@settings(max_examples=200, deadline=None)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = decode(through_json(encode(value)))
    assert back == value
    assert type(back) is type(value)


def test_special_values() -> None:
    assert math.isnan(decode(through_json(encode(math.nan))))
    assert decode(through_json(encode([math.inf, -math.inf]))) == [math.inf, -math.inf]
    request = ToolRequestMessage(tool_calls=[ToolCall.from_name("add", a=1)])
    assert decode(through_json(encode(request))) == request
    assert type(decode(encode(request))) is ToolRequestMessage
    picture = Message(content=[{"type": "text", "text": "x"}], info={"secret": 1})
    back = decode(through_json(encode(picture)))
    assert (back, back.info, back.content_is_json_str) == (picture, {"secret": 1}, True)
    array = np.array([[1.5, 2.0]], dtype=np.float32)
    restored = decode(through_json(encode(array)))
    assert restored.dtype == np.float32
    assert (restored == array).all()
    restored[0, 0] = 3.0


def test_completions() -> None:
    completion = Completion(
        "hi", usage=Usage(1, 2), tool_calls=(ToolCall.from_name("add", a=1),), model="m", details={"k": (1,)}
    )
    assert decode(through_json(encode(completion))) == completion


def test_values_of_unknown_types_are_written_as_text() -> None:
    back = decode(through_json(encode({"a": {1, 2}})))
    assert back == {"a": Opaque("set", "{1, 2}")}
    assert decode(through_json(encode(back))) == back


@pytest.mark.parametrize(
    "damaged",
    [
        {"$type": "unknown"},
        {"$type": ["bytes"]},
        {"$type": "bytes"},
        {"$type": "bytes", "base64": "%%%"},
        {"$type": "Message", "class": "Completion", "fields": {}},
        {"$type": "Message", "class": "Message", "fields": {"role": "nobody"}},
        {"$type": "array", "dtype": "O", "shape": [1], "base64": "AAAAAAAAAAA="},
        {"$type": "array", "dtype": "<f4", "shape": [9], "base64": "AAAA"},
        {"$type": "dict", "items": [[[], 1]]},
        {"$type": "tuple", "items": 5},
    ],
)
def test_damaged_values_are_refused(damaged: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode([damaged])


# -- graphs ----------------------------------------------------------------------------------------------------------


def described(root: Variable) -> list[Any]:
    """Everything of a graph that is to come back, with Variables by their place."""
    order = topological_order(root)
    place = {id(one): index for index, one in enumerate(order)}
    return [
        (
            one.value,
            one.role_description,
            one.name,
            one.requires_grad,
            one.gradients,
            one.grad,
            one.call
            and (
                one.call.op.name,
                one.call.call_id,
                one.call.site,
                [(path, place[id(child)]) for path, child in one.call.inputs],
                one.call.input_args,
                one.call.input_kwargs,
                one.call.kept,
            ),
        )
        for one in order
    ]


@given(st.integers(1, 60), st.integers(0, 2**32), st.lists(values, min_size=4, max_size=4))
@settings(max_examples=30, deadline=None)
def test_random_graphs_come_back_as_they_were(size: int, seed: int, contents: list[Any]) -> None:
    rng = random.Random(seed)
    nodes: list[Variable] = [
        leaf(value, f"leaf {i}", requires_grad=i < 2 and not isinstance(value, bytes))
        for i, value in enumerate(contents)
    ]

    def backward(ctx, input_args, input_kwargs, grad_output, call_id):
        ctx.update("seen", (ctx.output.value, call_id.fwd_id))
        grad = (*ctx.words, Gradient(text=f"{call_id.fwd_id}", context=("c", b"\x00"), weight=2.0, group="g"))
        return [(*grad, Gradient(number=0.5))] * len(input_args), dict.fromkeys(input_kwargs, grad)

    mixed = FxnOp(lambda tree, *rest: contents[rng.randrange(4)], "mixed", backward=backward)
    shapes: list[Callable[[], Any]] = [
        lambda: rng.choice(nodes),
        lambda: [rng.choice(nodes), "plain"],
        lambda: {"k": (rng.choice(nodes), rng.choice(nodes)), "$x": rng.choice(nodes)},
        lambda: {3: rng.choice(nodes)},
    ]
    for _ in range(size):
        nodes.append(mixed(rng.choice(shapes)(), *(rng.choice(nodes) for _ in range(rng.randrange(3)))))
    root = nodes[-1]
    if size < 20:  # words of a larger graph add up to gigabytes
        root.backward()
    restored = graph_from_json(through_json(graph_to_json(root)))
    assert described(restored) == described(root)
    assert graph_to_json(restored) == graph_to_json(root)


class Silent:
    """A critic with nothing to say."""

    async def criticise(self, request: CriticRequest) -> dict[str, Criticism]:
        return {}


@op
def shout(text: str) -> str:
    return text.upper()


def test_a_file_with_a_model_call(tmp_path: Path) -> None:
    with Session(ScriptedEngine([Completion("5", model="m", usage=Usage(3, 1))])):
        prompt = Variable("Be brief.", role_description="system prompt", name="prompt")
        loss = RewardLoss()(LLMCall(None, prompt)(shout(leaf("2 + 2?"))), 0.0, "wrong")
        loss.backward(critic=Silent())
        save_graph(loss, tmp_path / "graph.json")
    restored = load_graph(tmp_path / "graph.json")
    assert described(restored) == described(loss)
    (answer,) = restored.get_upstream_results("LLMCall")
    assert answer.value == "5"
    assert answer.call.get("completion").usage == Usage(3, 1)
    assert answer.call.get("messages")[0].text == "Be brief."
    assert [one.text for one in answer.gradients] == ["wrong"]


def test_values_that_went_into_calls_are_written_once() -> None:
    text = "a long text " * 100
    x = leaf(text)
    written = json.dumps(graph_to_json(FxnOp(lambda a, b: "")(x, {"k": [x]})))
    assert written.count(text) == 1


def test_values_changed_since_are_written_as_they_went_in() -> None:
    x = leaf("before")
    result = FxnOp(lambda a: a)(x)
    x.value = "after"
    restored = graph_from_json(graph_to_json(result))
    assert restored.call is not None
    assert restored.call.input_kwargs == {"a": "before"}
    assert restored.call.inputs[0][1].value == "after"


def test_a_loaded_graph_is_not_run() -> None:
    restored = graph_from_json(graph_to_json(shout(leaf())))
    with pytest.raises(GraphError, match="shout is part of a graph that was loaded"):
        restored.backward()
    assert compute_grads(restored, 1.0, {"shout": lambda *_: ([], {"text": 2.0})}) == {"input": 2.0}


def test_a_chain_of_five_thousand_calls() -> None:
    result = leaf("x")
    for _ in range(5000):
        result = shout(result)
    restored = graph_from_json(graph_to_json(result))
    assert len(topological_order(restored)) == 5001


def test_pending_values_are_waited_for() -> None:
    async def later(x: str) -> str:
        return x + "!"

    with Session():
        assert graph_from_json(graph_to_json(FxnOp(later)(leaf()))).value == "x!"


def changed(path: list[Any], value: Any) -> Any:
    data = graph_to_json(shout(leaf()))
    tree: Any = data
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "is no graph"),
        ([], "is no graph"),
        ({}, "is no graph"),
        (changed(["schema_version"], 2), "has schema version 2, this release reads 1"),
        (changed(["variables"], []), "is no graph"),
        (changed(["variables", 1, "role"], 5), "is no graph"),
        (changed(["variables", 1, "extra"], 5), "is no graph"),
        (changed(["variables", 1, "call", "inputs", 0, 1], 1), "variable 1 is damaged"),
        (changed(["variables", 1, "call", "inputs", 0, 1], -1), "is no graph"),
        (changed(["variables", 1, "call", "kwargs", "text"], {"$variable": 7}), "refers to value 7"),
        (changed(["variables", 1, "call", "kwargs", "text"], {"$variable": "x"}), "variable 1 is damaged"),
        (changed(["variables", 0, "value"], {"$type": "?"}), "variable 0 is damaged"),
    ],
)
def test_damaged_graphs_are_refused(data: Any, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        graph_from_json(data)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"graph file .*nothing.json does not exist"):
        load_graph(tmp_path / "nothing.json")
