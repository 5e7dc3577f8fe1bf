"""TextGrad's optimizers: its arguments and tags; a parameter changes by a whole new value or not at all."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from textgrad_agents.compat.textgrad.config import set_backward_engine
from textgrad_agents.compat.textgrad.engine.base import EngineLM
from textgrad_agents.compat.textgrad.optimizer import TGD, Optimizer, TextualGradientDescentwithMomentum
from textgrad_agents.compat.textgrad.optimizer.guidance_optimizer import GuidedTextualGradientDescent
from textgrad_agents.compat.textgrad.optimizer.optimizer import TextualGradientDescent, get_gradient_and_context_text
from textgrad_agents.compat.textgrad.optimizer.optimizer_prompts import OPTIMIZER_SYSTEM_PROMPT
from textgrad_agents.compat.textgrad.variable import Variable
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError
from textgrad_agents.optim import MaxLength, Outcome

WORDS = " ".join(f"word{number}" for number in range(200))


class Replies(EngineLM):
    model_string = "replies"

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.calls: list[tuple[str, str | None]] = []

    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        self.calls.append((prompt, system_prompt))
        return self.replies.pop(0)


def improved(text: str) -> str:
    return f"<IMPROVED_VARIABLE>{text}</IMPROVED_VARIABLE>"


def prompt(value: str = "old", *feedback: str) -> Variable:
    one = Variable(value, role_description="system prompt")
    for text in feedback:
        grad = Variable(text, role_description="feedback")
        one.gradients.add(grad)
        one.gradients_context[grad] = {"context": f"talk about {text}", "response_desc": "the answer"}
    return one


def test_a_step() -> None:
    one = prompt("old", "be kind")
    engine = Replies(improved("new"))
    TGD(parameters=[one], engine=engine).step()
    assert one.value == "new"
    ((asked, system_prompt),) = engine.calls
    for part in (
        "<ROLE>system prompt</ROLE>",
        "<VARIABLE>old</VARIABLE>",
        "<CONVERSATION>talk about be kind</CONVERSATION>",
        "the answer",
        "<FEEDBACK>be kind</FEEDBACK>",
        "<IMPROVED_VARIABLE>improved variable</IMPROVED_VARIABLE>",
    ):
        assert part in asked
    assert system_prompt is not None
    assert "between <IMPROVED_VARIABLE> and </IMPROVED_VARIABLE>" in system_prompt


def test_the_backward_engine_is_the_usual_one() -> None:
    with pytest.raises(Exception, match="set_backward_engine"):
        TGD(parameters=[prompt()])
    set_backward_engine(Replies(improved("new")))
    one = prompt("old", "be kind")
    TGD([one]).step()
    assert one.value == "new"


def test_tags_and_instructions_of_ones_own() -> None:
    one = prompt("old", "be kind")
    engine = Replies("<NEW>new</NEW>")
    TGD(
        [one],
        engine=engine,
        new_variable_tags=["<NEW>", "</NEW>"],
        optimizer_system_prompt="Write between {new_variable_start_tag} and {new_variable_end_tag}; braces {stay}.",
    ).step()
    assert one.value == "new"
    assert engine.calls[0][1] == "Write between <NEW> and </NEW>; braces {stay}."


def test_tags_come_in_pairs() -> None:
    with pytest.raises(ConfigError, match="an opening and a closing tag"):
        TGD([prompt()], engine=Replies(), new_variable_tags=["<NEW>"])


def test_constraints_and_examples() -> None:
    one = prompt("old", "be kind")
    engine = Replies(improved("new"))
    optimizer = TGD([one], engine=engine, constraints=["one line", "no names"], in_context_examples=["like this"])
    optimizer.step()
    assert optimizer.constraint_text == "Constraint 1: one line\nConstraint 2: no names"
    assert "<CONSTRAINTS>\nConstraint 1: one line\nConstraint 2: no names\n</CONSTRAINTS>" in engine.calls[0][0]
    assert "<EXAMPLES>\nlike this\n</EXAMPLES>" in engine.calls[0][0]


def test_enforced_constraints() -> None:
    one = prompt("old", "be kind")
    engine = Replies(improved("far too long"), improved("short"))
    TGD([one], engine=engine, checks=[MaxLength(characters=6)]).step()
    assert one.value == "short"
    assert "far too long" in engine.calls[1][0]
    assert "at most 6 characters" in engine.calls[1][0]


def test_the_whole_value_reaches_the_model() -> None:
    one = prompt(WORDS, "be kind")
    engine = Replies(improved("new"))
    TGD([one], engine=engine).step()
    assert f"<VARIABLE>{WORDS}</VARIABLE>" in engine.calls[0][0]


def test_a_step_without_feedback_asks_nobody() -> None:
    one, engine = prompt(), Replies()
    report = TGD([one], engine=engine).step()
    assert report.count(Outcome.NO_GRADIENT) == 1
    assert (one.value, engine.calls) == ("old", [])


@pytest.mark.parametrize(
    "reply",
    [
        "I will use the tags <IMPROVED_VARIABLE> and then: <IMPROVED_VARIABLE>new</IMPROVED_VARIABLE>",
        "<IMPROVED_VARIABLE>cut off in the mid",
        "no tags at all",
        "",
        "<IMPROVED_VARIABLE>a</IMPROVED_VARIABLE><IMPROVED_VARIABLE>b</IMPROVED_VARIABLE>",
        "</IMPROVED_VARIABLE>backwards<IMPROVED_VARIABLE>",
        "<IMPROVED_VARIABLE>  </IMPROVED_VARIABLE>",
    ],
)
def test_a_reply_that_says_nothing_clear_is_repaired_once(reply: str, caplog: pytest.LogCaptureFixture) -> None:
    one = prompt("old", "be kind")
    engine = Replies(reply, improved("new"))
    TGD([one], engine=engine).step()
    assert one.value == "new"
    assert "Your reply cannot be used" in engine.calls[1][0]

    one = prompt("old", "be kind")
    with caplog.at_level(logging.WARNING):
        report = TGD([one], engine=Replies(reply, reply)).step()
    assert one.value == "old"
    assert report.count(Outcome.UNREADABLE) == 1
    assert "system prompt keeps its value" in caplog.text


def test_a_program_error_of_the_engine_is_raised_as_it_is() -> None:
    def broken(text: str, system_prompt: str | None = None) -> str:
        raise KeyError("typo")

    with pytest.raises(KeyError, match="typo"):
        TGD([prompt("old", "be kind")], engine=broken).step()


def test_parameters_are_improved_side_by_side() -> None:
    engine = ScriptedEngine([improved(f"new {number}") for number in range(8)], latency=0.05)
    parameters = [prompt(f"old {number}", "be kind") for number in range(8)]
    most = 0
    under_way = 0
    generate = engine.generate

    async def counted(*args: Any) -> Any:
        nonlocal most, under_way
        under_way += 1
        most = max(most, under_way)
        try:
            return await generate(*args)
        finally:
            under_way -= 1

    engine.generate = counted  # type: ignore[method-assign]
    TGD(parameters, engine=engine).step()
    assert most == 8
    assert sorted(one.value for one in parameters) == [f"new {number}" for number in range(8)]


def test_an_engine_that_follows_schemas_is_asked_for_json() -> None:
    one = prompt("old", "be kind")
    engine = ScriptedEngine(['{"improved_variable": "new", "reason": "kind"}'], structured=True)
    GuidedTextualGradientDescent([one], engine=engine).step()
    assert one.value == "new"
    assert engine.calls[0].options.response_schema is not None


def test_gradient_memory_reaches_the_model() -> None:
    one = prompt("a", "first feedback")
    engine = Replies(improved("b"), improved("c"))
    optimizer = TGD([one], engine=engine, gradient_memory=2)
    optimizer.step()
    optimizer.zero_grad()
    one.gradients.add(Variable("second feedback", role_description="feedback"))
    optimizer.step()
    assert "PAST_ITERATIONS" not in engine.calls[0][0]
    past = engine.calls[1][0].partition("<PAST_ITERATIONS>")[2].partition("</PAST_ITERATIONS>")[0]
    assert "first feedback" in past
    assert "second feedback" not in past


def test_momentum_shows_past_values() -> None:
    one = prompt("a", "be kind")
    engine = Replies(improved("b"), improved("c"), improved("d"), improved("e"))
    optimizer = TextualGradientDescentwithMomentum(engine, [one], momentum_window=2)
    for _ in range(4):
        optimizer.step()
    assert one.value == "e"
    past = engine.calls[3][0].partition("<PAST_ITERATIONS>")[2].partition("</PAST_ITERATIONS>")[0]
    assert "value: b" in past
    assert "value: c" in past
    assert "value: a" not in past


def test_momentum_without_a_window() -> None:
    one = prompt("a", "be kind")
    TextualGradientDescentwithMomentum(Replies(improved("b")), [one]).step()
    assert one.value == "b"


def test_verbose_tells_the_new_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        TGD([prompt("old", "be kind")], verbose=1, engine=Replies(improved("new"))).step()
    assert "has a new value: new" in caplog.text


def test_zero_grad() -> None:
    one = prompt("old", "be kind")
    TGD([one], engine=Replies()).zero_grad()
    assert len(one.gradients) == len(one.gradients_context) == 0


def test_feedback_with_its_contexts_as_text() -> None:
    text = get_gradient_and_context_text(prompt("old", "be kind", "be brief"))
    assert text.index("<CONVERSATION>talk about be kind</CONVERSATION>") < text.index("<FEEDBACK>be kind</FEEDBACK>")
    assert text.index("<FEEDBACK>be kind</FEEDBACK>") < text.index("<FEEDBACK>be brief</FEEDBACK>")


def test_feedback_without_context_is_no_error() -> None:
    one = prompt()
    one.gradients.add(Variable("bare", role_description="feedback"))
    engine = Replies(improved("new"))
    TGD([one], engine=engine).step()
    assert "<FEEDBACK>bare</FEEDBACK>" in engine.calls[0][0]


def test_optimizers_that_users_write() -> None:
    class Shout(Optimizer):
        def step(self) -> None:
            for one in self.parameters:
                one.set_value(one.value.upper())

    one = prompt("old", "be kind")
    shout = Shout([one])
    shout.step()
    shout.zero_grad()
    assert one.value == "OLD"
    assert len(one.gradients) == 0
    assert isinstance(TextualGradientDescent([one], engine=Replies()), Optimizer)


def test_the_prompt_has_its_two_placeholders() -> None:
    assert OPTIMIZER_SYSTEM_PROMPT.format(new_variable_start_tag="<A>", new_variable_end_tag="</A>").count("<A>") == 1
