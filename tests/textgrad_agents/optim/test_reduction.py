"""Feedback beyond the token budget is merged: each piece once, shared lists once, and nothing is lost if that fails."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import EngineRefusal
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Message
from textgrad_agents.optim import TGD, Outcome
from textgrad_agents.variables.gradient import Gradient
from textgrad_agents.variables.variable import Variable


def data_of(messages: Sequence[Message]) -> dict[str, Any]:
    [block] = re.findall(r"^## Data\n\n```json\n(.*?)\n```$", messages[1].text, re.MULTILINE | re.DOTALL)
    return json.loads(block)


def is_merge(messages: Sequence[Message]) -> bool:
    return "## Answer format: merged feedback" in messages[1].text


def engine(merges: bool = True) -> ScriptedEngine:
    def answer(messages: Sequence[Message], options: GenerateOptions) -> Any:
        assert options.role == "optimizer"
        opening, closing = re.findall(r"</?(?:NEW|MERGED)_\w+>", messages[1].text)[-2:]
        if not is_merge(messages):
            return f"{opening}\nnew value\n{closing}"
        pieces = len(data_of(messages)["feedback"])
        return f"{opening}{pieces} in one{closing}" if merges else EngineRefusal("it plays no such part")

    return ScriptedEngine(answer)


def text(number: int, words: int) -> str:
    return f"[piece {number}]" + " word" * words


def parameters(number: int, gradients: Sequence[Gradient]) -> list[Variable[str]]:
    made = [Variable("old value", role_description=f"role {place}", name=f"p{place}") for place in range(number)]
    for one in made:
        for gradient in gradients:
            one.add_gradient(gradient)
    return made


def test_short_feedback_is_not_merged() -> None:
    model = engine()
    TGD(parameters(1, [Gradient(text(number, 5)) for number in range(5)]), engine=model).step()
    assert [is_merge(call.messages) for call in model.calls] == [False]


def test_long_feedback_is_merged_by_group_and_the_calls_are_counted() -> None:
    model = engine()
    gradients = [Gradient(text(number, 90), group="ab"[number % 2], context=f"c{number}") for number in range(4)]
    report = TGD(parameters(1, gradients), engine=model, token_budget=300).step()
    first, second, last = model.calls
    assert [one["text"] for one in data_of(first.messages)["feedback"]] == [text(0, 90), text(2, 90)]
    assert [one["text"] for one in data_of(second.messages)["feedback"]] == [text(1, 90), text(3, 90)]
    shown = data_of(last.messages)["feedback"]
    assert [one["text"] for one in shown] == ["2 in one", "2 in one"]
    assert [one["context"] for one in shown] == ["c0\n\nc2", "c1\n\nc3"]
    assert report.calls == 3
    assert report.proposals[0].gradients == tuple(gradients)


def test_feedback_that_parameters_share_is_merged_once() -> None:
    model = engine()
    report = TGD(
        parameters(7, [Gradient(text(number, 90)) for number in range(3)]), engine=model, token_budget=300
    ).step()
    assert sum(is_merge(call.messages) for call in model.calls) == 1
    assert report.calls == len(model.calls) == 8
    assert [one.calls for one in report.proposals] == [2, 1, 1, 1, 1, 1, 1]


def test_an_engine_that_does_not_merge_gets_the_pieces_whole() -> None:
    model = engine(merges=False)
    gradients = [Gradient(text(number, 90)) for number in range(4)]
    [proposal] = TGD(parameters(1, gradients), engine=model, token_budget=300).step().proposals
    assert proposal.outcome is Outcome.PROPOSED
    assert [one["text"] for one in data_of(model.calls[-1].messages)["feedback"]] == [text(n, 90) for n in range(4)]


@given(
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=12),
    groups=st.lists(st.sampled_from([None, "a", "b"]), min_size=12, max_size=12),
    budget=st.integers(50, 1500),
)
def test_every_piece_is_in_exactly_one_request_and_requests_keep_to_the_budget(
    sizes: list[int], groups: list[str | None], budget: int
) -> None:
    model = engine()
    gradients = [Gradient(text(number, size), group=groups[number]) for number, size in enumerate(sizes)]
    TGD(parameters(1, gradients), engine=model, token_budget=budget).step()
    seen = [one["text"] for call in model.calls for one in data_of(call.messages)["feedback"]]
    for gradient in gradients:
        assert seen.count(gradient.text) == 1
    for call in model.calls:
        pieces = [one["text"] for one in data_of(call.messages)["feedback"]]
        total = sum(map(estimate_tokens, pieces))
        assert total <= budget or len(pieces) == 1 or not is_merge(call.messages)
