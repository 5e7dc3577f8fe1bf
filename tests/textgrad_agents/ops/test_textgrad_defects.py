"""What went wrong in TextGrad 0.1.8, one test for each defect of its variables and ops."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.interfaces import Criticism, CriticRequest
from textgrad_agents.messages import Completion
from textgrad_agents.ops import LLMCall, RewardLoss, TextLoss, aggregate, merge, sum
from textgrad_agents.ops.critic import read_gradients
from textgrad_agents.session import Session
from textgrad_agents.variables import Gradient, Variable


class Judge:
    """A critic that says the same of every input."""

    async def criticise(self, request: CriticRequest) -> Mapping[str, Criticism]:
        return {one.name: Criticism("be clearer", "context") for one in request.inputs if one.wanted}


@pytest.fixture(autouse=True)
def session():
    with Session(ScriptedEngine(lambda messages, options: "reply"), critic=Judge()) as session:
        yield session


def text(value: str = "text") -> Variable:
    return Variable(value, role_description="part")


@pytest.mark.parametrize("whole", [lambda x: sum([x]), lambda x: x + "!", lambda x: aggregate([x])])
def test_sum_and_plus_add_every_gradient_twice(whole) -> None:
    x = text()
    TextLoss("Judge.")(whole(x)).backward()
    assert [g.text for g in x.gradients] == ["be clearer"]


@pytest.mark.parametrize("depth", [2, 6, 10])
def test_exponential_gradient_text(depth: int) -> None:
    x = whole = text()
    for _ in range(depth):
        whole = sum([whole, text()])
    TextLoss("Judge.")(whole).backward()
    assert x.gradient_text() == "be clearer"


def test_aggregate_updates_a_single_child() -> None:
    children = [text(str(i)) for i in range(4)]
    TextLoss("Judge.")(aggregate(children)).backward()
    assert [len(child.gradients) for child in children] == [1, 1, 1, 1]
    assert len({child.gradients[0].group for child in children}) == 1


PROGRAM = """
import asyncio, json, re, sys
from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.ops import LLMCall, TextLoss, sum
from textgrad_agents.session import Session
from textgrad_agents.variables import Variable

def answer(messages, options):
    tags = re.findall(r"<(GRADIENTS_\\w{8})>", messages[-1].text)
    if not tags:
        return f"re: {messages[-1].text}"
    wanted = json.loads(re.search(r"```json\\n(.*?)\\n```", messages[-1].text, re.DOTALL)[1])["wanted"]
    return f"<{tags[-1]}>{json.dumps({name: 'clearer: ' + name for name in wanted})}</{tags[-1]}>"

engine = ScriptedEngine(answer, latency=0.001)
with Session(engine, seed=3):
    prompt = Variable("Be brief.", role_description="system prompt")
    questions = [Variable(f"question {i}", role_description=f"question {i}") for i in range(6)]
    sum([TextLoss("Judge.")(LLMCall(None, prompt)(question)) for question in questions]).backward()
print([g.text + repr(g.context) for g in prompt.gradients])
print(sorted(repr(call) for call in engine.calls))
"""


def test_nondeterminism_across_processes() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(outputs) == 1
    assert "clearer: system_prompt" in outputs.pop()


def test_zero_grad_leaks() -> None:
    prompt = Variable("Be brief.", role_description="system prompt")
    sizes = []
    for _ in range(3):
        aggregate([TextLoss("Judge.")(LLMCall(None, prompt)("hi")) for _ in range(2)]).backward()
        sizes.append((len(prompt.gradients), sum_of(g.context for g in prompt.gradients), len(vars_of(prompt))))
        prompt.reset_gradients()
        assert (prompt.gradients, prompt.grad) == ((), None)
    assert sizes == [sizes[0]] * 3


def sum_of(contexts) -> int:
    return len("".join(contexts))


def vars_of(variable: Variable) -> list[str]:
    return [name for name in variable.__slots__ if hasattr(variable, name)]


def test_a_gradient_without_context_after_a_reset() -> None:
    prompt = Variable("Be brief.", role_description="system prompt")
    TextLoss("Judge.")(LLMCall(None, prompt)("hi")).backward()
    prompt.reset_gradients()
    prompt.add_gradient(Gradient(text="by hand"))
    prompt.add_gradient(Gradient(text="and again", context="seen"))
    merged = asyncio.run(merge(prompt.gradients, "prompt", engine=ScriptedEngine(["no tags"])))
    assert (merged.text, merged.context) == ("by hand\n\nand again", "seen")


def test_recursion() -> None:
    whole = x = text()
    for _ in range(5000):
        whole = sum([whole])
    RewardLoss()(whole, 0.0, "deep").backward()
    assert x.gradient_text() == "deep"


def test_tag_parsing_takes_quoted_or_unclosed_text() -> None:
    tag = "GRADIENTS_0123abcd"
    for reply in (
        f"I will write <{tag}> tags: <{tag}>{{}}</{tag}>",
        f'<{tag}>{{"x": "cut off',
        "no tags at all",
    ):
        assert read_gradients(Completion(reply), ["x"], tag).texts == {}


def test_global_engine_argument_and_default_do_not_clash() -> None:
    own = ScriptedEngine(["own"])
    assert LLMCall(own)("hi").value == "own"
    TextLoss("Judge.", ScriptedEngine(["fine"]))(text()).backward(critic=Judge())

    def elsewhere(name: str) -> str:
        with Session(ScriptedEngine([name])):
            return LLMCall()("hi").value

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(elsewhere, "abcdefgh")) == list("abcdefgh")
    assert LLMCall()("hi").value == "reply"


def test_a_gate_that_rejects_gets_new_samples_for_the_same_prompt() -> None:
    engine = ScriptedEngine(lambda messages, options: str(options.seed))
    with Session(engine):
        answers = [LLMCall()("the same").value for _ in range(5)]
    assert len(set(answers)) == 5
