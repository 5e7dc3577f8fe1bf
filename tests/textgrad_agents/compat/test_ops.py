"""Calls, losses and sums by TextGrad's names."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import textgrad_agents.compat.textgrad as tg
from textgrad_agents.compat.textgrad.autograd import (
    FormattedLLMCall,
    LLMCall,
    LLMCall_with_in_context_examples,
    MultimodalLLMCall,
    OrderedFieldsMultimodalLLMCall,
    StringBasedFunction,
    functional,
)
from textgrad_agents.compat.textgrad.engine.base import EngineLM
from textgrad_agents.compat.textgrad.loss import (
    ImageQALoss,
    MultiChoiceTestTime,
    MultiFieldEvaluation,
    MultiFieldTokenParsedEvaluation,
)
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import TextgradAgentsError
from textgrad_agents.variables.variable import Variable as CoreVariable

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 8


class Echo(EngineLM):
    """Replies with what it was asked; keeps the calls."""

    model_string = "echo"
    is_multimodal = True

    def __init__(self, reply: str = "") -> None:
        self.reply = reply
        self.calls: list[tuple[Any, str | None]] = []

    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        self.calls.append((prompt, system_prompt))
        return self.reply or str(prompt)


def var(value: Any, role: str = "text", **kwargs: Any) -> tg.Variable:
    return tg.Variable(value, role_description=role, **kwargs)


def test_a_call() -> None:
    engine, text, prompt = Echo(), var("hi"), var("be brief")
    made = LLMCall(engine, prompt)(text)
    assert isinstance(made, tg.Variable)
    assert made.value == "hi"
    assert made.role_description == "response from the language model"
    assert made.predecessors == {text, prompt}
    assert made.requires_grad
    assert engine.calls == [("hi", "be brief")]


def test_the_result_requires_a_gradient_only_where_something_upstream_does() -> None:
    made = LLMCall(Echo(), var("be brief", requires_grad=False))(var("hi", requires_grad=False))
    assert made.requires_grad is False


def test_a_call_is_under_way_before_its_value_is_read() -> None:
    meet = threading.Barrier(3, timeout=10)  # passes only if all three calls are inside at once

    def engine(prompt: str, system_prompt: str | None = None) -> str:
        return str(meet.wait() >= 0)

    call = LLMCall(engine)
    made = [call(var(str(number))) for number in range(3)]
    assert [one.value for one in made] == ["True"] * 3


def test_our_engines_and_variables_are_welcome() -> None:
    engine = ScriptedEngine(["fine"])
    text = CoreVariable("hi", role_description="text")
    assert LLMCall(engine)(text).value == "fine"  # type: ignore[arg-type]


def test_an_engine_by_its_name(monkeypatch: pytest.MonkeyPatch, chat_server: Any) -> None:
    monkeypatch.setattr("textgrad_agents.compat.textgrad.engine.OLLAMA_BASE_URL", chat_server.url)
    chat_server.say("hello")
    assert LLMCall("ollama-tiny")(var("hi")).value == "hello"


def test_engine_and_system_prompt_may_be_changed_later() -> None:
    first, second = Echo("first"), Echo("second")
    call = LLMCall(first, var("be brief"))
    call.engine, call.system_prompt = second, var("be kind")
    assert call(var("hi")).value == "second"
    assert second.calls == [("hi", "be kind")]


def test_without_any_engine() -> None:
    with pytest.raises(Exception, match="set_backward_engine"):
        LLMCall()


def test_a_list_is_no_text() -> None:
    with pytest.raises(AttributeError, match="MultimodalLLMCall"):
        LLMCall(Echo())([var("hi"), var(PNG, requires_grad=False)])
    with pytest.raises(TextgradAgentsError):
        LLMCall(Echo())("hi")


def test_an_error_of_the_engine_comes_with_the_value_and_names_op_and_line() -> None:
    def broken(prompt: str, system_prompt: str | None = None) -> str:
        raise KeyError("typo")

    made = LLMCall(broken)(var("hi"))
    with pytest.raises(KeyError, match="typo") as error:
        _ = made.value
    assert any("LLMCall" in note and __file__ in note for note in error.value.__notes__)


def test_a_formatted_call() -> None:
    fields = {"prediction": None, "question": None}
    call = FormattedLLMCall(Echo(), "Question: {question}\nPrediction: {prediction} {{so}}", fields)
    inputs = {"question": var("q {x}"), "prediction": var("p")}
    made = call(inputs, response_role_description="test response")
    assert made.value == "Question: q {x}\nPrediction: p {so}"
    assert made.role_description == "test response"
    assert made.predecessors == set(inputs.values())


def test_fields_may_have_any_name() -> None:
    names = ["the question", "a:b.c!r", "plain", "1st", "the_question"]
    call = FormattedLLMCall(Echo(), "|".join(f"{{{name}}}" for name in names), dict.fromkeys(names))
    inputs = {name: var(f"<{name}>") for name in names}
    assert call(inputs).value == "|".join(f"<{name}>" for name in names)


@pytest.mark.parametrize("inputs", [{"a": 1}, {"a": 1, "b": 2, "c": 3}, {}, [1, 2]])
def test_inputs_must_be_the_fields(inputs: Any) -> None:
    call = FormattedLLMCall(Echo(), "{a} {b}", {"a": None, "b": None})
    with pytest.raises(AssertionError, match=r"takes a dict with the fields \['a', 'b'\]"):
        call(inputs)


def test_functional_forms() -> None:
    engine = Echo()
    assert functional.llm_call(var("hi"), engine, system_prompt=var("s")).value == "hi"
    made = functional.formatted_llm_call({"a": var("x")}, "role", engine, "[{a}]", {"a": None})
    assert (made.value, made.role_description) == ("[x]", "role")
    assert engine.calls == [("hi", "s"), ("[x]", None)]


def test_a_call_with_examples_takes_the_final_part() -> None:
    call = LLMCall_with_in_context_examples(Echo("I think.\n<FINAL> the plan </FINAL>"))
    made = call(var("hi"), in_context_examples=["like this"])
    assert made is not None
    assert made.value == "the plan"


def test_a_call_with_examples_may_find_that_nothing_is_to_be_done() -> None:
    call = LLMCall_with_in_context_examples(Echo("<FINAL>The plan doesn't need to be improved.</FINAL>"))
    assert call(var("hi")) is None


def test_a_call_with_examples_needs_its_tags() -> None:
    with pytest.raises(IndexError, match="<FINAL>"):
        LLMCall_with_in_context_examples(Echo("no tags"))(var("hi"))


def test_texts_and_images() -> None:
    engine = Echo("seen")
    image, question = var(PNG, "image", requires_grad=False), var("what is this?")
    made = MultimodalLLMCall(engine)([image, question])
    assert made.value == "seen"
    assert engine.calls[0][0] == [PNG, "what is this?"]
    assert made.predecessors == {image, question}


def test_named_texts_and_images() -> None:
    engine = Echo("seen")
    call = OrderedFieldsMultimodalLLMCall(engine, ["Question", "Image"])
    assert call({"Image": var(PNG, requires_grad=False), "Question": var("what?")}).value == "seen"
    assert engine.calls[0][0] == ["Question: what?", PNG]
    with pytest.raises(AssertionError, match="takes a dict with the fields"):
        call({"Question": var("what?")})


def test_a_blind_engine_is_refused_at_once() -> None:
    engine = Echo()
    engine.is_multimodal = False
    with pytest.raises(ValueError, match="takes no images"):
        MultimodalLLMCall(engine)


def test_a_string_based_function_gets_variables() -> None:
    def same(prediction: tg.Variable, truth: tg.Variable) -> int:
        return int(prediction.value == truth.get_value())

    call = StringBasedFunction(same, function_purpose="compares")
    inputs = {"prediction": var("a"), "truth": var("a", requires_grad=False)}
    made = call(inputs=inputs)
    assert made.value == "1"
    assert "compares" in made.role_description
    assert made.predecessors == set(inputs.values())


def test_a_string_based_function_waits_for_its_inputs_and_runs_one_at_a_time() -> None:
    inside: list[str] = []

    def alone(text: tg.Variable) -> str:
        inside.append(text.value)
        assert len(inside) == 1
        inside.clear()
        return f"got {text.value}"

    answer, function = LLMCall(Echo()), StringBasedFunction(alone, "tests")
    made = [function({"text": answer(var(str(number)))}) for number in range(8)]
    assert [one.value for one in made] == [f"got {number}" for number in range(8)]


def test_a_string_based_function_says_at_once_that_it_has_no_such_argument() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'text'"):
        StringBasedFunction(lambda text: text, "tests")({"other": var("a")})


def test_a_sum() -> None:
    parts = [var("Line1", "role1"), var("Line2", "role2"), var("Line3", "role1")]
    total = tg.sum(variables=parts)
    assert total.get_value() == "Line1\nLine2\nLine3"
    assert total.role_description == "a combination of the following: role1, role2"
    assert list(total.predecessors) == parts
    assert tg.aggregate(parts).value == "Line1\nLine2\nLine3"


def test_plus() -> None:
    left, right = var("a", "first"), var("b", "second")
    total = left + right
    assert isinstance(total, tg.Variable)
    assert (total.value, total.role_description) == ("ab", "first and second")
    assert total.predecessors == {left, right}
    assert sum([left, right, var("c", "third")]).value == "abc"


def test_a_module_with_a_system_prompt() -> None:
    engine, prompt = Echo(), var("be brief")
    model = tg.BlackboxLLM(engine, prompt)
    assert model(var("hi")).value == "hi"
    assert model.parameters() == [prompt]
    assert tg.BlackboxLLM(engine).parameters() == []
    fixed = tg.BlackboxLLM(engine, "be rude")
    assert [one.requires_grad for one in fixed.parameters()] == [False]
    fixed(var("hi")).value  # noqa: B018
    assert [system_prompt for _, system_prompt in engine.calls] == ["be brief", "be rude"]


def test_text_loss() -> None:
    engine, text = Echo("good"), var("text", "essay")
    loss = tg.TextLoss("judge it", engine)(text)
    assert loss.value == "good"
    assert "essay" in loss.role_description
    assert engine.calls == [("text", "judge it")]


def test_several_fields_keep_their_roles() -> None:
    engine = Echo()
    question, answer = var("q", "my question"), var("a {x}", "my answer")
    loss = MultiFieldEvaluation(var("judge: {braces}"), ["the: question.", "the answer"], engine)([question, answer])
    assert loss.value == "judge: {braces}\n\n**the: question.**: q\n\n**the answer**: a {x}"
    assert (question.role_description, answer.role_description) == ("my question", "my answer")


@pytest.mark.parametrize("inputs", [{"a": 1, "b": 2}, ["a"]])
def test_several_fields_need_a_value_each(inputs: Any) -> None:
    with pytest.raises(ValueError, match="give a list of 2 Variables"):
        MultiFieldEvaluation("judge", ["a", "b"], Echo())(inputs)


def test_a_verdict_between_tags() -> None:
    engine = Echo("so: <ACCURACY> 1 </ACCURACY>")
    judge = MultiFieldTokenParsedEvaluation("judge", ["a"], engine, parse_tags=["<ACCURACY>", "</ACCURACY>"])
    assert judge.parse_output(judge([var("x")])) == "1"
    with pytest.raises(IndexError, match="verdict must stand between"):
        judge.parse_output(var("no verdict"))
    with pytest.raises(ValueError, match="pass parse_tags"):
        MultiFieldTokenParsedEvaluation("judge", ["a"], engine).parse_output(var("x"))


def test_test_time_loss() -> None:
    engine = Echo()
    loss = MultiChoiceTestTime("look {closely}", engine)("which?", var("(B)", "prediction"))
    assert "look {closely}" in loss.value
    assert "which?" in loss.value
    assert "(B)" in loss.value


def test_image_loss() -> None:
    engine = Echo("well seen")
    image, question, answer = var(PNG, "image", requires_grad=False), var("what?"), var("a cat")
    assert ImageQALoss("judge", engine)(image=image, question=question, response=answer).value == "well seen"
    assert PNG in engine.calls[0][0]
