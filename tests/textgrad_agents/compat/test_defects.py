"""Defects of TextGrad 0.1.8 that a program under our names does not meet: one test per defect, named after it.

Where TextGrad's own figure is known it stands in the test's comment.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

import textgrad_agents.compat.textgrad as tg
from textgrad_agents.compat.textgrad.autograd.function import BackwardContext, Function
from textgrad_agents.compat.textgrad.optimizer import TextualGradientDescentwithMomentum


class Engine(tg.EngineLM):
    """Plays every part: answers, criticises (with a number for each call), improves."""

    model_string = "parts"

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.critic_calls = 0

    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        self.prompts.append(f"{system_prompt}\n{prompt}")
        if "IMPROVED_VARIABLE" in (system_prompt or ""):
            return "<IMPROVED_VARIABLE>better</IMPROVED_VARIABLE>"
        if "Somebody else will rewrite" in (system_prompt or ""):
            self.critic_calls += 1
            return "make it clear"
        return f"answer to {prompt}"


def var(value: str, role: str = "text", **kwargs: Any) -> tg.Variable:
    return tg.Variable(value, role_description=role, **kwargs)


def test_sum_adds_every_gradient_once() -> None:
    """TextGrad: one child, one loss, two gradients."""
    engine, child = Engine(), var("essay")
    tg.sum([tg.TextLoss("judge", engine)(child)]).backward(engine)
    assert len(child.gradients) == 1
    child.reset_gradients()
    tg.TextLoss("judge", engine)(child + var("!")).backward(engine)
    assert len(child.gradients) == 1


def test_gradient_text_does_not_grow_with_nested_sums() -> None:
    """TextGrad: 797 characters at depth 2, 29,600 at 6, 736,000 at 10."""

    def text_at(depth: int) -> str:
        engine, child = Engine(), var("essay")
        total: tg.Variable = tg.sum([child, child])
        for _ in range(depth):
            total = tg.sum([total, total])
        tg.TextLoss("judge", engine)(total).backward(engine)
        return child.get_gradient_text()

    assert text_at(2) == text_at(10) == "make it clear"


def test_aggregate_reaches_every_child() -> None:
    """TextGrad: of four children one, whichever, gets a gradient."""
    engine = Engine()
    children = [var(f"essay {number}") for number in range(4)]
    tg.TextLoss("judge", engine)(tg.aggregate(children)).backward(engine)
    assert [child.get_gradient_text() for child in children] == ["make it clear"] * 4


def test_momentum_steps() -> None:
    """TextGrad: the prompt builder returns None, and a window of 0 is a TypeError."""
    for window in (0, 2):
        engine, text = Engine(), var("essay")
        tg.TextLoss("judge", engine)(text).backward(engine)
        TextualGradientDescentwithMomentum(engine, [text], momentum_window=window).step()
        assert text.value == "better"


def test_the_optimizer_sees_long_variables_whole() -> None:
    """TextGrad: the first and last ten words."""
    engine = Engine()
    text = var(" ".join(f"word{number}" for number in range(200)))
    tg.TextLoss("judge", engine)(text).backward(engine)
    tg.TGD([text], engine=engine).step()
    assert "word100 word101" in engine.prompts[-1]


def test_zero_grad_leaks_nothing() -> None:
    """TextGrad: contexts and reduction tags grow with each step."""
    engine, text = Engine(), var("essay")
    optimizer = tg.TGD([text], engine=engine)
    sizes = set[tuple[int, ...]]()
    for _ in range(3):
        optimizer.zero_grad()
        tg.aggregate([tg.TextLoss("judge", engine)(text)]).backward(engine)
        sizes.add((len(text.gradients), len(text.gradients_context), len(text._reduce_meta)))
    assert sizes == {(1, 1, 0)}


def test_a_gradient_without_context_after_reset() -> None:
    """TextGrad: KeyError in step."""
    engine, text = Engine(), var("essay")
    text.reset_gradients()
    text.gradients.add(var("be brief", "feedback"))
    tg.TGD([text], engine=engine).step()
    assert text.value == "better"


def test_long_chains() -> None:
    """TextGrad: RecursionError at 1,000."""

    class Pass(Function):
        def forward(self, one: tg.Variable) -> tg.Variable:
            made = tg.Variable(one.value, predecessors=[one], role_description="text")
            made.set_grad_fn(BackwardContext(self.backward, made=made, one=one))
            return made

        def backward(self, made: tg.Variable, one: tg.Variable, backward_engine: Any) -> None:
            one.gradients.add(tg.Variable(made.get_gradient_text() or "start", role_description="feedback"))

    text = first = var("essay")
    for _ in range(2000):
        text = Pass()(text)
    text.backward(Engine())
    assert first.get_gradient_text() == "start"

    total = first
    for _ in range(5000):
        total = tg.sum([total])
    first.reset_gradients()
    engine = Engine()
    tg.TextLoss("judge", engine)(total).backward(engine)
    assert first.get_gradient_text() == "make it clear"


@pytest.mark.parametrize(
    "reply",
    [
        "I use the tags <IMPROVED_VARIABLE> like this: <IMPROVED_VARIABLE>x</IMPROVED_VARIABLE>",
        "<IMPROVED_VARIABLE>cut",
    ],
)
def test_a_bad_reply_changes_nothing_and_ends_nothing(reply: str) -> None:
    """TextGrad: the value becomes "like this:" or "cut"; a missing tag ends the run with an IndexError."""
    text = var("essay")
    text.gradients.add(var("be brief", "feedback"))
    tg.TGD([text], engine=lambda prompt, system_prompt: reply).step()
    assert text.value == "essay"


def test_a_step_without_gradients_asks_nobody() -> None:
    """TextGrad: asks, and replaces the value."""
    engine, text = Engine(), var("essay")
    tg.TGD([text], engine=engine).step()
    assert (text.value, engine.prompts) == ("essay", [])


def test_an_engine_may_be_given_although_one_is_set() -> None:
    """TextGrad: an exception."""
    tg.set_backward_engine(Engine())
    engine, text = Engine(), var("essay")
    tg.TextLoss("judge", engine)(text).backward(engine)
    assert engine.critic_calls == 1
    assert text.get_gradient_text() == "make it clear"


def test_nothing_is_asked_where_no_parameter_is_upstream() -> None:
    """TextGrad: every result requires a gradient, so a critic is asked about each."""
    engine = Engine()
    answer = tg.BlackboxLLM(engine, "be brief")(var("question", requires_grad=False))
    tg.TextLoss("judge", engine)(answer).backward(engine)
    assert engine.critic_calls == 0


PROGRAM = textwrap.dedent(
    """
    import hashlib
    import textgrad_agents.compat.textgrad as tg

    class Engine(tg.EngineLM):
        model_string = "m"
        def generate(self, prompt, system_prompt=None, **kwargs):
            if "IMPROVED_VARIABLE" in (system_prompt or ""):
                print(hashlib.sha256(prompt.encode()).hexdigest())
                return "<IMPROVED_VARIABLE>better</IMPROVED_VARIABLE>"
            return "about " + hashlib.sha256(str((system_prompt, prompt)).encode()).hexdigest()

    engine = Engine()
    prompt = tg.Variable("be good", role_description="system prompt")
    model = tg.BlackboxLLM(engine, prompt)
    questions = [tg.Variable(str(n), requires_grad=False, role_description="question") for n in range(16)]
    loss = tg.sum([tg.TextLoss("judge", engine)(model(q)) for q in questions])
    loss.backward(engine)
    tg.TGD([prompt], engine=engine).step()
    """
)


def test_the_same_program_asks_the_same_in_every_process() -> None:
    """TextGrad: four processes, four different optimizer prompts."""
    asked = {
        subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
        for _ in range(3)
    }
    assert len(asked) == 1


def test_importing_it_makes_no_folder_and_no_log_file(tmp_path: Any) -> None:
    """TextGrad: ./logs with a file named by the time of the import."""
    subprocess.run(
        [sys.executable, "-c", "import textgrad_agents.compat.textgrad, logging; logging.getLogger().warning"],
        cwd=tmp_path,
        check=True,
    )
    assert list(tmp_path.iterdir()) == []
