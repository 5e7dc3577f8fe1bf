"""A problem with a calculator: rewards, ends, and what cannot be gained by trickery."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import pytest

from envs import Environment
from envs.math_tasks import CalculatorEnv, CalculatorEnvConfig
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message, ToolRequestMessage
from textgrad_agents.tools import ToolCall

Call = tuple[str, dict[str, Any]]


def calculator(expr: Any) -> Call:
    return "calculator", {"expr": expr}


def submit(answer: Any) -> Call:
    return "submit_answer", {"answer": answer}


def act(*actions: Message | list[Call], answer: Any = 42.0, **config: Any) -> list[Any]:
    """Texts, reward and end of each action."""

    async def run() -> list[Any]:
        env = CalculatorEnv("ultimate", "What is the answer?", answer, CalculatorEnvConfig(**config))
        await env.reset()
        seen: list[Any] = []
        for action in actions:
            if isinstance(action, list):
                action = ToolRequestMessage(tool_calls=[ToolCall.from_name(name, **given) for name, given in action])
            messages, reward, done, truncated = await env.step(action)
            assert not truncated
            seen.append(([message.content for message in messages], reward, done))
        return seen

    return asyncio.run(run())


def test_by_name() -> None:
    env = Environment.from_name("calculator", problem_id="example-problem", problem="What is 2+3?", answer=5)
    assert isinstance(env, CalculatorEnv)
    assert (env.problem_id, env.problem, env.answer) == ("example-problem", "What is 2+3?", 5)


def test_an_episode() -> None:
    async def run() -> None:
        env = CalculatorEnv("ultimate", "What is the answer?", 42)
        messages, tools = await env.reset()
        assert [message.content for message in messages] == ["What is the answer?"]
        assert [tool.info.name for tool in tools] == ["calculator", "submit_answer"]
        assert await env.get_id() == "ultimate"
        assert env.export_frame().model_dump()["state"] == {
            "problem_id": "ultimate",
            "problem": "What is the answer?",
            "answer": "42",
        }

    asyncio.run(run())
    assert act([calculator("6 * 7")], [submit("42")]) == [(["42"], 0.0, False), (["Correct."], 1.0, True)]


@pytest.mark.parametrize(
    ("submitted", "said", "reward"),
    [
        ("42", "Correct.", 1.0),
        (42, "Correct.", 1.0),
        ("42.001", "Correct.", 1.0),
        ("84/2", "Correct.", 1.0),
        ("42.01", "Incorrect.", 0.0),
        ("-42", "Incorrect.", 0.0),
        ("forty-two", "'forty-two' is no number.", -1.0),
        ("nan", "'nan' is no number.", -1.0),
        ("6 * 7", "'6 * 7' is no number.", -1.0),
        ("__import__('os').abort()", "is no number.", -1.0),
    ],
)
def test_answers(submitted: Any, said: str, reward: float) -> None:
    ((texts, got, done),) = act([submit(submitted)])
    assert said in texts[0]
    assert (got, done) == (reward, True)


@pytest.mark.parametrize(
    ("calls", "said", "reward"),
    [
        ([calculator("2 ** 10 ** 10")], ["Error using calculator: a number here may have 1023 bits"], -1.0),
        ([calculator("5 / 0")], ["Error using calculator: Division by zero is not allowed."], -1.0),
        ([calculator(["5"])], ["Invalid tool call: calculator: expr must be a valid string, not ['5']"], -1.0),
        ([("calculator", {})], ["expr is missing"], -1.0),
        ([("abacus", {})], ["No tool has this name; the tools are: calculator, submit_answer."], -1.0),
        ([("abacus", {}), calculator("1"), ("abacus", {})], ["No tool", "1", "No tool"], -2.0),
        ([calculator("1"), calculator("x")], ["1", "Error using calculator"], -0.5),
    ],
)
def test_failures(calls: list[Call], said: list[str], reward: float) -> None:
    successes = 0.5 if "1" in said and len(calls) == 2 else 0.0
    for done in (True, False):
        ((texts, got, over),) = act(calls, tool_success_reward=successes, done_on_failure=done)
        assert all(part in text for part, text in zip(said, texts, strict=True))
        assert (got, over) == (reward, done)


def test_actions_without_calls() -> None:
    plain, empty = act(Message(content="42"), ToolRequestMessage(content="42"), done_on_failure=False)
    assert "No tool calls" in plain[0][0]
    assert plain[1:] == (0.0, False)
    assert empty == (["Must call one of the provided tools (calculator or submit_answer)."], -1.0, False)


def test_the_first_answer_counts_however_many_are_submitted() -> None:
    ((texts, reward, done),) = act([submit(str(number)) for number in range(1, 50)])
    assert texts[0] == "Incorrect."
    assert set(texts[1:]) == {"The episode is over."}
    assert (reward, done) == (0.0, True)
    over, after = act([submit("1")], [submit("42"), calculator("6 * 7")])
    assert over[1:] == (0.0, True)
    assert after == (["The episode is over."] * 2, 0.0, True)


def test_an_episode_begins_anew() -> None:
    async def run() -> None:
        env = CalculatorEnv("ultimate", "What?", 42)
        for _ in range(2):
            await env.reset()
            *_, reward, done, _ = await env.step(
                ToolRequestMessage(tool_calls=[ToolCall.from_name("submit_answer", answer="42")])
            )
            assert (reward, done) == (1.0, True)

    asyncio.run(run())


def test_without_the_calculator() -> None:
    ((texts, reward, _),) = act([calculator("1")], calculator=False, done_on_failure=False)
    assert texts == ["Invalid tool call: calculator. No tool has this name; the tools are: submit_answer."]
    assert reward == -1


@pytest.mark.parametrize(
    ("answer", "exact"), [(0.1, Fraction(1, 10)), ("1,000", 1000), (Fraction(7, 3), Fraction(7, 3)), (3, 3)]
)
def test_right_answers_are_exact(answer: Any, exact: Fraction) -> None:
    assert CalculatorEnv(None, "?", answer).answer == exact
    assert act([submit(str(exact))], answer=answer, rel_tol=0.0)[0][1] == 1.0


@pytest.mark.parametrize("answer", ["two", "", float("nan"), float("inf"), "1e5000"])
def test_answers_that_are_no_numbers(answer: Any) -> None:
    with pytest.raises(ConfigError, match="is a number such as"):
        CalculatorEnv("id", "What?", answer)


def test_a_problem_whose_answer_is_not_known() -> None:
    async def run() -> None:
        env = CalculatorEnv.from_task("What is 2 + 2?")
        messages, _ = await env.reset()
        assert messages[0].content == "What is 2 + 2?"
        action = ToolRequestMessage(tool_calls=[ToolCall.from_name("submit_answer", answer="4")])
        answers, reward, done, _ = await env.step(action)
        assert (answers[0].content, reward, done) == ("Submitted.", 0.0, True)
        with pytest.raises(ConfigError, match="No problem ID"):
            await env.get_id()

    asyncio.run(run())
