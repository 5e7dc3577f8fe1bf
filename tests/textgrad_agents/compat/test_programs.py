"""Programs as TextGrad's users write them, from beginning to end."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import textgrad_agents.compat.textgrad as tg
from textgrad_agents.compat.textgrad.tasks import load_task
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.session import Session
from textgrad_agents.variables import graph


class World(tg.EngineLM):
    """Counts right once the prompt says "step by step"; as a critic and an optimizer it leads there.

    Attributes:
        most: most calls under way at once.
        critic_calls: calls as a critic.
    """

    model_string = "world"

    def __init__(self, wait_for: int = 1) -> None:
        self.most = self.under_way = self.critic_calls = 0
        self._lock = threading.Lock()
        self._meeting = threading.Barrier(wait_for, timeout=20)

    def generate(self, prompt: Any, system_prompt: str | None = None, **kwargs: Any) -> str:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        try:
            return self.reply(str(prompt), system_prompt or "")
        finally:
            with self._lock:
                self.under_way -= 1

    def reply(self, prompt: str, system_prompt: str) -> str:
        if "IMPROVED_VARIABLE" in system_prompt:
            better = "Count step by step." if "step by step" in prompt else "Count."
            return f"<IMPROVED_VARIABLE>{better}</IMPROVED_VARIABLE>"
        if "Somebody else will rewrite" in system_prompt:
            self.critic_calls += 1
            return "Ask for counting step by step."
        if "judge" in system_prompt:
            return "The answer is not reasoned."
        self._meeting.wait()
        things = int(prompt.split()[-1])
        return f"Answer: {things if 'step by step' in system_prompt else things + 1}"


def test_prompt_optimization_in_a_loop_over_a_batch() -> None:
    engine = World(wait_for=8)  # an answer comes only when all eight questions are under way
    tg.set_backward_engine(engine)
    prompt = tg.Variable("Count.", requires_grad=True, role_description="system prompt to the language model")
    model = tg.BlackboxLLM(engine, prompt)
    optimizer = tg.TGD(parameters=[prompt])
    judge = tg.TextLoss("judge the answer")
    losses = []
    for things in range(8):
        question = tg.Variable(f"How many? {things}", requires_grad=False, role_description="question")
        losses.append(judge(model(question)))
    optimizer.zero_grad()
    total = tg.sum(losses)
    total.backward()
    assert engine.critic_calls == 16
    assert len(prompt.gradients) == 8
    optimizer.step()
    assert prompt.value == "Count step by step."


def test_solution_optimization_with_a_system_of_ones_own() -> None:
    engine = ScriptedEngine(
        {
            "IMPROVED_VARIABLE": "<IMPROVED_VARIABLE>def fast(): ...</IMPROVED_VARIABLE>",
            "Somebody else will rewrite": "use a set",
            "You evaluate code": "it is slow",
        }
    )
    tg.set_backward_engine(engine)
    code = tg.Variable("def slow(): ...", requires_grad=True, role_description="code instance to optimize")
    problem = tg.Variable("find doubles", requires_grad=False, role_description="the coding problem")
    system_prompt = tg.Variable("You evaluate code", requires_grad=False, role_description="system prompt to the loss")
    judge = tg.autograd.FormattedLLMCall(
        engine=engine,
        format_string="Problem: {problem}\nCode: {code}",
        fields={"problem": None, "code": None},
        system_prompt=system_prompt,
    )
    loss = judge(inputs={"problem": problem, "code": code}, response_role_description="evaluation of the code")
    loss.backward()
    assert code.get_gradient_text() == "use a set"
    assert "find doubles" in next(iter(code.gradients_context.values()))["context"]
    tg.TGD([code]).step()
    assert code.value == "def fast(): ..."


def test_a_string_based_task_from_a_file_with_validation_in_threads(tmp_path: Path) -> None:
    examples = [{"input": f"How many? {number % 7}", "target": str(number % 7)} for number in range(250)]
    (tmp_path / "object_counting.json").write_text(json.dumps({"examples": examples}))
    engine = World()
    tg.set_backward_engine(engine)
    train, val, test, evaluate = load_task("BBH_object_counting", evaluation_api=engine, root=tmp_path)
    assert (len(train), len(val), len(test)) == (50, 100, 100)
    prompt = tg.Variable("Count.", requires_grad=True, role_description="system prompt")
    model = tg.BlackboxLLM(engine, prompt)

    def sample(row: tuple[str, str]) -> int:
        x = tg.Variable(row[0], requires_grad=False, role_description="query")
        y = tg.Variable(row[1], requires_grad=False, role_description="correct answer")
        return int(evaluate(inputs={"prediction": model(x), "ground_truth_answer": y}).value)

    def accuracy(rows: Any) -> float:
        with ThreadPoolExecutor(8) as pool:
            return sum(pool.map(sample, list(rows)[:24])) / 24

    assert accuracy(val) == 0.0
    optimizer = tg.TGD([prompt])
    xs, ys = next(iter(tg.tasks.DataLoader(train, batch_size=4)))
    losses = []
    for x, y in zip(xs, ys, strict=True):
        response = model(tg.Variable(x, requires_grad=False, role_description="query"))
        truth = tg.Variable(y, requires_grad=False, role_description="correct answer")
        losses.append(evaluate(inputs={"prediction": response, "ground_truth_answer": truth}))
    tg.sum(losses).backward()
    optimizer.step()
    assert accuracy(val) == 1.0


def test_a_chain_gets_its_gradients_link_by_link() -> None:
    heard: list[str] = []

    def engine(prompt: str, system_prompt: str | None = None) -> str:
        if "Somebody else will rewrite" in (system_prompt or ""):
            data = json.loads(prompt.partition("```json\n")[2].partition("\n```")[0])
            heard.append(f"{data['wanted'][0]} of {data['output']['value']} after {data.get('feedback', [])}")
            return f"feedback {len(heard)}"
        return f"{prompt}."

    call = tg.autograd.LLMCall(engine)
    text = tg.Variable("a", role_description="text")
    call(call(call(text))).backward(engine)
    assert heard == [
        "messages of a... after []",
        "messages of a.. after ['feedback 1']",
        "messages of a. after ['feedback 2']",
    ]
    assert text.get_gradient_text() == "feedback 3"


def test_backward_empties_the_gradients_of_the_loss_alone() -> None:
    engine = World()
    text = tg.Variable("essay", role_description="essay")
    loss = tg.TextLoss("judge", engine)(text)
    loss.gradients.add(tg.Variable("stale", role_description="feedback"))
    loss.backward(engine)
    loss.backward(engine)
    assert len(loss.gradients) == 0
    assert len(text.gradients) == 2


def test_an_engine_that_follows_schemas_is_asked_once_for_all_inputs() -> None:
    engine = ScriptedEngine(
        {
            "Answer format: gradients": json.dumps({"messages": "ask better", "system_prompt": "be kinder"}),
            "": "an answer",
        },
        structured=True,
    )
    prompt, question = (tg.Variable(text, role_description=text) for text in ("prompt", "question"))
    tg.BlackboxLLM(engine, prompt)(question).backward(engine)
    assert (prompt.get_gradient_text(), question.get_gradient_text()) == ("be kinder", "ask better")
    assert len(engine.calls) == 2


def test_the_sessions_engines_serve_where_none_is_set() -> None:
    engine = ScriptedEngine({"Answer format": "be clear", "": "an answer"})
    text = tg.Variable("essay", role_description="essay")
    loss = tg.autograd.LLMCall(engine)(text)
    with pytest.raises(Exception, match="no engine"):
        loss.backward()
    with Session(critic_engine=engine):
        graph_critic_calls = len(engine.calls)
        loss.backward()
        assert len(engine.calls) > graph_critic_calls


def test_programs_of_both_kinds_mix() -> None:
    from textgrad_agents.ops import op

    @op
    def shout(text: str) -> str:
        return text.upper()

    engine = World()
    text = tg.Variable("essay", role_description="essay")
    loss = tg.TextLoss("judge", engine)(shout(text))  # type: ignore[arg-type]
    loss.backward(engine)
    assert text.get_gradient_text() == "Ask for counting step by step."
    assert graph.topological_order(loss)[0] is text


def test_async_programs_await() -> None:
    async def program() -> str:
        engine = ScriptedEngine({"Answer format": "be clear", "": "an answer"}, latency=0.001)
        text = tg.Variable("essay", role_description="essay")
        answer = await tg.autograd.LLMCall(engine)(text)
        await answer.abackward(ScriptedEngine({"": "be clear"}))
        return f"{answer.value}: {text.get_gradient_text()}"

    assert asyncio.run(program()) == "an answer: be clear"


def test_a_program_in_a_notebook_where_a_loop_runs_already() -> None:
    def same(prediction: tg.Variable, truth: tg.Variable) -> int:
        return int(prediction.value == truth.value)

    async def cell() -> str:
        engine = World()
        tg.set_backward_engine(engine, override=True)
        prompt = tg.Variable("Count.", role_description="system prompt")
        question = tg.Variable("How many? 3", requires_grad=False, role_description="question")
        truth = tg.Variable("Answer: 3", requires_grad=False, role_description="truth")
        loss = tg.autograd.StringBasedFunction(same, "compares")(
            {"prediction": tg.BlackboxLLM(engine, prompt)(question), "truth": truth}
        )
        assert loss.value == "0"
        total = tg.sum([tg.TextLoss("judge")(question + "!"), loss])
        assert total.value == "The answer is not reasoned.\n0"
        ready = tg.autograd.StringBasedFunction(same, "compares")({"prediction": truth, "truth": truth})
        assert ready.value == "1"
        total.backward()
        tg.TGD([prompt]).step()
        return prompt.value

    assert asyncio.run(cell()) == "Count step by step."


def test_variables_can_be_copied_and_marked() -> None:
    text = tg.Variable("essay", role_description="essay")
    text.note = "of mine"  # type: ignore[attr-defined]
    text.gradients.add(tg.Variable("be clear", role_description="feedback"))
    other = copy.deepcopy(text)
    assert (other.value, other.note, other.get_gradient_text()) == ("essay", "of mine", "be clear")
    other.reset_gradients()
    assert len(text.gradients) == 1
