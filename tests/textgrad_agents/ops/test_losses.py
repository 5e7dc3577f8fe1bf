"""Losses: what is sent, what is said, and when no critic is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError
from textgrad_agents.ops import (
    FxnOp,
    ImageQALoss,
    LLMCritic,
    MultiChoiceTestTime,
    MultiFieldEvaluation,
    MultiFieldTokenParsedEvaluation,
    RewardLoss,
    TextLoss,
)
from textgrad_agents.ops import sum as sum_
from textgrad_agents.session import Session
from textgrad_agents.variables import Variable

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


@pytest.fixture(autouse=True)
def session():
    with Session() as session:
        yield session


def answer(value: Any = "four", **options: Any) -> Variable:
    return Variable(value, role_description="answer", **options)


def sent(engine: ScriptedEngine) -> list[tuple[str, Any]]:
    return [(message.role, message.deserialized_content) for message in engine.calls[-1].messages]


# -- judged by a model -----------------------------------------------------------------------------------------------


def test_text_loss() -> None:
    engine = ScriptedEngine(["fine"])
    loss = TextLoss("Is it right?", engine)(answer())
    assert loss.value == "fine"
    assert loss.role_description == "evaluation of the answer"
    assert sent(engine) == [("system", "Is it right?"), ("user", "four")]
    assert engine.calls[0].options.role == "critic"
    assert TextLoss("Is it right?", engine).system_prompt.requires_grad is False


def test_text_loss_asks_the_sessions_critic_engine() -> None:
    judge = ScriptedEngine(["fine"])
    with Session(actor=ScriptedEngine([]), critic_engine=judge):
        assert TextLoss(Variable("Judge.", role_description="instruction"))("x").value == "fine"


def test_multi_field_evaluation_leaves_braces_and_roles_alone() -> None:
    engine = ScriptedEngine(["fine"])
    instruction = Variable('Reply as {"score": 1}.', role_description="instruction")
    x, y = answer("a {b}"), Variable("c", role_description="truth", requires_grad=False)
    loss = MultiFieldEvaluation(instruction, ["Ans: wer.", "Truth"], engine, "sys")([x, y])
    assert loss.value == "fine"
    assert sent(engine) == [
        ("system", "sys"),
        ("user", 'Reply as {"score": 1}.\n\n**Ans: wer.**: a {b}\n\n**Truth**: c'),
    ]
    assert (x.role_description, y.role_description) == ("answer", "truth")
    assert loss.call is not None
    assert [path for path, _ in loss.call.inputs] == [
        ("inputs", 0),
        ("inputs", 1),
        ("system_prompt",),
        ("instruction",),
    ]
    with pytest.raises(ValueError, match="judges 2 inputs, got 1"):
        MultiFieldEvaluation(instruction, ["a", "b"], engine)([x])


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        ("So <ACC> 1 </ACC>.", "1"),
        ("So 1.", None),
        ("<ACC>1", None),
        ("between <ACC> and </ACC>: <ACC>1</ACC>", None),
        ("</ACC>1<ACC>", None),
    ],
)
def test_token_parsed_evaluation(response: str, verdict: str | None) -> None:
    engine = ScriptedEngine([response])
    loss_fn = MultiFieldTokenParsedEvaluation("Judge.", ["Answer"], engine, ["<ACC>", "</ACC>"])
    assert loss_fn.parse_output(loss_fn([answer()])) == verdict


def test_parse_tags_are_two() -> None:
    with pytest.raises(ConfigError, match="an opening and a closing tag"):
        MultiFieldTokenParsedEvaluation("Judge.", ["Answer"], None, ["<ACC>"])


def test_multiple_choice_at_test_time() -> None:
    engine = ScriptedEngine(["hm"])
    assert MultiChoiceTestTime("Check {it}.", engine, "sys")("A or B?", answer("A")).value == "hm"
    assert sent(engine)[1] == ("user", "Check {it}.\n\n**Question**: A or B?\n\n**Prediction**: A")


def test_image_qa_loss() -> None:
    engine = ScriptedEngine(["hm"])
    image = Variable(PNG, requires_grad=False, role_description="picture")
    assert ImageQALoss("Check.", engine)(image, "What is it?", answer("a cat")).value == "hm"
    content = sent(engine)[0][1]
    assert [part["type"] for part in content] == ["text", "text", "text", "image_url", "text"]
    assert content[1]["text"] == "**Question**: What is it?"
    assert content[-1]["text"] == "**Answer**: a cat"


# -- a number with words ---------------------------------------------------------------------------------------------


def metric(prediction: str, truth: str) -> tuple[float, str]:
    return float(prediction == truth), f"expected {truth}"


def test_words_of_a_metric_are_the_gradient_and_no_critic_is_asked() -> None:
    x = answer()
    loss = RewardLoss(metric)(x, "4")
    assert (loss.value, loss.role_description) == (0.0, "score")
    loss.backward(critic=LLMCritic(ScriptedEngine([])))
    (gradient,) = x.gradients
    assert (gradient.text, gradient.origin, gradient.used_as) == ("expected 4", "metric", "score")
    assert "0 of at most 1" in gradient.context


def test_the_best_score_gives_no_gradient() -> None:
    x = answer("4")
    RewardLoss(metric)(x, "4").backward()
    RewardLoss()(x, 3.0, "praise").backward()
    assert x.gradients == ()
    RewardLoss(maximum=5.0)(x, 3.0, "could be 5").backward()
    RewardLoss(maximum=None)(x, 9.0, "more").backward()
    assert [g.text for g in x.gradients] == ["could be 5", "more"]


def test_a_score_without_words_is_said_in_words() -> None:
    x = answer()
    RewardLoss(lambda prediction: 0.25)(x).backward()
    RewardLoss(maximum=None)(x, -2).backward()
    assert [g.text for g in x.gradients] == ["It scored 0.25 of at most 1.", "It scored -2."]


def test_async_metrics_and_pending_predictions() -> None:
    async def judged(prediction: str) -> tuple[float, str]:
        await asyncio.sleep(0.001)
        return 0.0, f"{prediction} is wrong"

    async def produce(x: str) -> str:
        await asyncio.sleep(0.001)
        return x + "!"

    x = answer()
    RewardLoss(judged)(FxnOp(produce)(x)).backward()
    assert x.gradient_text() == "four! is wrong"


def test_only_the_prediction_gets_the_words() -> None:
    x, truth = answer(), Variable("4", role_description="truth")
    RewardLoss(metric)(x, truth).backward()
    assert x.gradients
    assert truth.gradients == ()


def test_scores_of_a_batch() -> None:
    xs = [answer(str(i)) for i in range(4)]
    sum_([RewardLoss(metric)(x, "2") for x in xs]).backward()
    assert [x.gradient_text() for x in xs] == ["expected 2", "expected 2", "", "expected 2"]


@pytest.mark.parametrize("judged", ["good", None, float("nan"), (0.5, 3), (0.5,), (0.5, "a", "b")])
def test_a_metric_that_gives_no_number_is_refused(judged: Any) -> None:
    with pytest.raises(ConfigError, match="must give a number, or a number and a text"):
        RewardLoss(lambda prediction: judged)(answer())


def test_compute_grads_says_no_words() -> None:
    x = answer()
    assert RewardLoss(metric)(x, "4").compute_grads() == {}
    assert x.gradients == ()
