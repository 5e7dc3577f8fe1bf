"""LLMCallOp: config as an input, tools, log-probabilities; and LDP's compute-graph examples after renaming imports."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Completion, Message, TokenTrace, ToolCall, ToolRequestMessage, user
from textgrad_agents.ops import (
    ConfigOp,
    FxnOp,
    LLMCallOp,
    PromptOp,
    llm_straight_through_estimator,
)
from textgrad_agents.session import Session
from textgrad_agents.tools import Tool
from textgrad_agents.variables import Variable, compute_grads, compute_graph


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: one.
        b: the other.
    """
    return a + b


def reported(text: str, *logprobs: float) -> Completion:
    return Completion(text, details={"logprobs": [{"token": "t", "logprob": one} for one in logprobs]})


def test_config_fields_are_options_and_what_is_left_is_passed_on() -> None:
    engine = ScriptedEngine(["hi"])
    config = {"name": "m", "temperature": 0.1, "stop": "END", "reasoning_effort": "low"}
    result = LLMCallOp(engine)(config, msgs=[user("hello")])
    assert result.value == Message(role="assistant", content="hi")
    options = engine.calls[0].options
    assert (options.temperature, options.stop, options.extra) == (0.1, ("END",), {"reasoning_effort": "low"})
    assert options.role == "actor"
    assert options.tool_choice is None
    assert options.seed is not None


def test_tools_and_the_choice_among_them() -> None:
    calls = [ToolCall.from_name("add", a=1, b=2)]
    engine = ScriptedEngine(lambda *_: Completion("", finish="tool_calls", tool_calls=tuple(calls)))
    tool = Tool.from_function(add)
    op = LLMCallOp(engine)
    assert op({}, [user("go")], tools=[tool]).value == ToolRequestMessage(tool_calls=calls)
    assert op({}, [user("go")], tools=[tool], tool_choice=tool).value.tool_calls == calls
    assert [call.options.tool_choice for call in engine.calls] == ["required", "add"]
    (schema,) = engine.calls[0].options.tools
    assert schema["function"]["name"] == "add"


def test_the_engine_is_the_ops_then_the_sessions_then_that_of_the_config() -> None:
    own, common = ScriptedEngine(["own"]), ScriptedEngine(["common"])
    with Session(common):
        assert LLMCallOp(own)({"name": "x"}, ["hi"]).value.content == "own"
        assert LLMCallOp()({"name": "x"}, ["hi"]).value.content == "common"
    with Session():
        with pytest.raises(ConfigError, match="no engine for the role 'actor'"):
            _ = LLMCallOp()({}, ["hi"]).value
        with pytest.raises(ConfigError, match="no-such-model"):
            _ = LLMCallOp()({"name": "no-such-model"}, ["hi"]).value


@pytest.mark.parametrize(("temperature", "logprob"), [(1, -3.0), (0, 0.0), (None, -3.0), (0.5, None)])
def test_log_probabilities_as_reported(temperature: float | None, logprob: float | None) -> None:
    config = {} if temperature is None else {"temperature": temperature}
    engine = ScriptedEngine([reported("x", -1.0, -2.0)])
    result = LLMCallOp(engine)(config, ["hi"])
    _ = result.value
    assert result.call is not None
    assert result.call.get("raw_logprob") == -3.0
    assert result.call.get("logprob") == logprob
    assert len(engine.calls) == 1


def test_log_probabilities_at_another_temperature_are_estimated_from_further_calls() -> None:
    engine = ScriptedEngine([reported("x", -3.0), reported("y", -1.0), reported("z", -2.0)])
    result = LLMCallOp(engine, num_samples_logprob_estimate=2)({"temperature": 0.5}, ["hi"])
    _ = result.value
    assert result.call is not None
    z = (math.exp(-1.0) + math.exp(-2.0)) / 2
    assert result.call.get("logprob") == pytest.approx(-6.0 - math.log(z))
    assert [call.options.temperature for call in engine.calls] == [0.5, 1.0, 1.0]
    assert len({call.options.seed for call in engine.calls}) == 3


def test_log_probabilities_of_a_trace_count_what_the_model_chose() -> None:
    trace = TokenTrace(
        np.array([1], np.int32),
        np.array([2, 3], np.int32),
        np.array([-0.5, -4.0], np.float32),
        np.array([True, False]),
    )
    result = LLMCallOp(ScriptedEngine([Completion("x", trace=trace)]))({"temperature": 0.7}, ["hi"])
    _ = result.value
    assert result.call is not None
    assert result.call.get("logprob") == -0.5


def test_gradients_of_the_config_field_by_field() -> None:
    config_op = ConfigOp({"name": "m", "temperature": 0.1}, name="config")
    message = Variable("hi", role_description="message", name="msg")
    result = LLMCallOp(ScriptedEngine(["x"]))(config_op(), [message])
    assert compute_grads(result, 1.0) == {"config": {"name": 0.0, "temperature": 0.0}, "msg": 0.0}
    config_op.config.reset_gradients()
    estimated = compute_grads(result, 2.0, {"LLMCallOp": llm_straight_through_estimator})
    assert estimated == {"config": {"name": 2.0, "temperature": 2.0}, "msg": 2.0}


# -- LDP's README ----------------------------------------------------------------------------------------------------


def test_the_first_example(capsys: pytest.CaptureFixture[str]) -> None:
    async def program() -> None:
        op_a = FxnOp(lambda x: 2 * x)

        async with compute_graph():
            op_result = op_a(3)

        print(op_result.compute_grads())  # noqa: T201
        assert op_result.value == 6

    asyncio.run(program())
    assert capsys.readouterr().out == "{'x': 0.0}\n"


@dataclass
class AgentState:
    messages: list[Any] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)

    def get_next_state(self, obs: list[Message]) -> AgentState:
        return AgentState([*self.messages, *obs], self.tools)


class MemoryAgent:
    num_memories = 2
    memory_prompt = "- {memory}"

    def __init__(self, engine: ScriptedEngine) -> None:
        self._query_factory_op = FxnOp(lambda messages: str(messages[-1]), "query factory")
        self._memory_op = FxnOp(lambda query, matches: [f"{query} again"] * matches, "memory")
        self._format_memory_op = FxnOp(self._format, "format memory")
        self._prompt_op = PromptOp("Remember:\n{memories}", name="memory prompt")
        self._package_op = FxnOp(self._package, "package")
        self._config_op = ConfigOp({"name": "gpt-4o", "temperature": 0.1}, name="config")
        self._llm_call_op = LLMCallOp(engine)

    @staticmethod
    def _format(prompt: str, memories: list[str]) -> str:
        return "\n".join(prompt.format(memory=memory) for memory in memories)

    @staticmethod
    def _package(messages: list[Message], memory_prompt: str, use_memories: bool) -> list[Message]:
        return [*messages, user(memory_prompt)] if use_memories else messages

    # The body is LDP's as it is printed.
    @compute_graph()
    async def get_asv(self, agent_state, obs):
        # Update state with new observations
        next_state = agent_state.get_next_state(obs)

        # Retrieve relevant memories
        query = await self._query_factory_op(next_state.messages)
        memories = await self._memory_op(query, matches=self.num_memories)

        # Format memories and package messages
        formatted_memories = await self._format_memory_op(self.memory_prompt, memories)
        memory_prompt = await self._prompt_op(memories=formatted_memories)
        packaged_messages = await self._package_op(
            next_state.messages, memory_prompt=memory_prompt, use_memories=bool(memories)
        )

        # Make LLM call and update state
        config = await self._config_op()
        result = await self._llm_call_op(config, msgs=packaged_messages, tools=next_state.tools)
        next_state.messages.extend([result])

        return result, next_state, 0.0


def test_the_agent_with_a_memory() -> None:
    engine = ScriptedEngine(lambda messages, options: Completion("", tool_calls=(ToolCall.from_name("add", a=1, b=2),)))
    agent = MemoryAgent(engine)

    async def program() -> tuple[Variable, AgentState]:
        state = AgentState(tools=[Tool.from_function(add)])
        result, state, _ = await agent.get_asv(state, [user("What is 1 + 2?")])
        return result, state

    with Session():
        result, state = asyncio.run(program())
        assert [str(one) for one in engine.calls[0].messages] == [
            "What is 1 + 2?",
            "Remember:\n- What is 1 + 2? again\n- What is 1 + 2? again",
        ]
        assert state.messages == [user("What is 1 + 2?"), result]
        assert result.value.tool_calls[0].function.arguments == {"a": 1, "b": 2}
        assert result.get_upstream_results("memory")[0].value == ["What is 1 + 2? again"] * 2
        estimators = {"LLMCallOp": llm_straight_through_estimator}
        assert compute_grads(result, 1.0, estimators) == {
            "memory prompt": 0.0,
            "config": {"name": 1.0, "temperature": 1.0},
            "tools": 1.0,
        }


def test_the_engine_of_a_name_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(name: str) -> ScriptedEngine:
        made.append(name)
        return ScriptedEngine(lambda *_: name)

    monkeypatch.setattr("textgrad_agents.ops.llm_op.make_engine", make)
    op = LLMCallOp()
    assert [op({"name": name}, "hi").value.text for name in ("a", "a", "b", "a")] == ["a", "a", "b", "a"]
    assert made == ["a", "b", "a"]
