"""Merging gradients: one call, each text once, nothing lost where the call fails."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError, EngineAccessError, EngineError
from textgrad_agents.messages import Completion
from textgrad_agents.ops import grouped, merge
from textgrad_agents.session import Session
from textgrad_agents.variables import Gradient

GRADIENTS = [
    Gradient(text="too long", used_as="answer", context="first", group="g"),
    Gradient(text="too <short>", used_as="answer", context="second", group="g", weight=2.0),
    Gradient(text="rude", used_as="mail", context="first", group="g"),
]


def merged(reply: Any, **options: Any) -> tuple[Gradient, ScriptedEngine]:
    engine = ScriptedEngine(reply, **options)
    with Session(optimizer=engine):
        return asyncio.run(in_session()), engine


async def in_session() -> Gradient:
    return await merge(GRADIENTS, "prompt of the model")


def tagged(messages: Any, options: Any) -> str:
    tag = re.findall(r"<(MERGED_\w{8})>", messages[-1].text)[-1]
    return f"Here:\n<{tag}>\nall of it\n</{tag}>"


def test_many_become_one() -> None:
    gradient, engine = merged(tagged)
    assert gradient == Gradient(
        text="all of it", origin="merge", context="first\n\nsecond", used_as="answer, mail", weight=4.0, group="g"
    )
    assert engine.calls[0].options.role == "optimizer"


def test_each_text_stands_exactly_once_in_the_request() -> None:
    _, engine = merged(tagged)
    text = engine.calls[0].messages[-1].text
    data = json.loads(re.search(r"```json\n(.*?)\n```", text, re.DOTALL)[1])
    assert [one["text"] for one in data["feedback"]] == ["too long", "too <short>", "rude"]
    assert [one.get("weight") for one in data["feedback"]] == [None, 2.0, None]
    assert data["role"] == "prompt of the model"


def test_structured_engines() -> None:
    gradient, engine = merged(['{"merged": "all"}'], structured=True)
    assert gradient.text == "all"
    assert engine.calls[0].options.response_schema is not None


@pytest.mark.parametrize(
    "reply", ["no tags", "", '{"merged": 3}', "{}", "{", EngineError("busy"), Completion("cut", finish="length")]
)
def test_without_a_usable_reply_the_texts_are_joined(reply: Any) -> None:
    gradient, engine = merged([reply])
    assert gradient.text == "too long\n\ntoo <short>\n\nrude"
    assert len(engine.calls) == 1


def test_what_the_user_has_to_settle_is_raised() -> None:
    with pytest.raises(EngineAccessError):
        merged([EngineAccessError("no key")])
    with Session(), pytest.raises(ConfigError):
        asyncio.run(in_session())


def test_one_gradient_is_left_as_it_is() -> None:
    assert asyncio.run(merge(GRADIENTS[:1], "x")) is GRADIENTS[0]


def test_image_contexts_stay_images() -> None:
    async def with_images() -> Gradient:
        pictured = Gradient(text="dark", context=("see", b"png"))
        return await merge([GRADIENTS[0], pictured, pictured], "x", engine=ScriptedEngine(tagged))

    assert asyncio.run(with_images()).context == ("first", "see", b"png")


def test_groups_in_the_order_in_which_they_first_occur() -> None:
    a, b, c, d = (Gradient(text=text, group=group) for text, group in [("a", "y"), ("b", None), ("c", "x"), ("d", "y")])
    assert list(grouped([a, b, c, d]).items()) == [("y", (a, d)), (None, (b,)), ("x", (c,))]
