"""The programs that users of LDP know from its introduction run here after renaming imports, and nothing else."""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Sequence
from typing import Any

import pytest

from envs import DummyEnv
from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents import Agent, MemoryAgent
from textgrad_agents.interfaces import Criticism, CriticRequest
from textgrad_agents.memory import Memory
from textgrad_agents.messages import Completion, ToolCall
from textgrad_agents.variables import Variable, abackward

RENAMED = {
    "from ldp.agent import SimpleAgent": "from textgrad_agents.agents import SimpleAgent",
    "from ldp.agent import Agent": "from textgrad_agents.agents import Agent",
    "from ldp.agents import Agent": "from textgrad_agents.agents import Agent",
    "from ldp.graph import LLMCallOp": "from textgrad_agents.ops import LLMCallOp",
    "from ldp.graph import FxnOp, LLMCallOp, PromptOp, compute_graph": (
        "from textgrad_agents.ops import FxnOp, LLMCallOp, PromptOp; from textgrad_agents import compute_graph"
    ),
    "from aviary.core import DummyEnv": "from envs import DummyEnv",
    "from aviary.core import Message, Tool, ToolCall, ToolRequestMessage": (
        "from textgrad_agents.tools import Tool, ToolCall, ToolRequestMessage; "
        "from textgrad_agents.messages import Message"
    ),
}

EPISODE = """
from ldp.agent import SimpleAgent
from aviary.core import DummyEnv

env = DummyEnv()
agent = SimpleAgent()

obs, tools = await env.reset()
agent_state = await agent.init_state(tools=tools)

done = False
while not done:
    action, agent_state, _ = await agent.get_asv(agent_state, obs)
    obs, reward, done, truncated = await env.step(action.value)
"""

OWN_AGENT = """
from ldp.agent import Agent
from ldp.graph import LLMCallOp


class AgentState:
    def __init__(self, messages, tools):
        self.messages = messages
        self.tools = tools


class SimpleAgent(Agent):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.llm_call_op = LLMCallOp()

    async def init_state(self, tools):
        return AgentState([], tools)

    async def get_asv(self, agent_state, obs):
        action = await self.llm_call_op(
            config={"name": "gpt-4o", "temperature": 0.1},
            msgs=agent_state.messages + obs,
            tools=agent_state.tools,
        )
        new_state = AgentState(
            messages=agent_state.messages + obs + [action], tools=agent_state.tools
        )
        return action, new_state, 0.0
"""

TWO_METHODS = """
agent_state = await agent.init_state(tools=tools)
new_action, new_agent_state, value = await agent.get_asv(agent_state, obs)
"""

PLAIN_AGENT = """
from aviary.core import Message, Tool, ToolCall, ToolRequestMessage
from ldp.agent import Agent


class NoThinkAgent(Agent):
    async def init_state(self, tools):
        return None

    async def get_asv(self, tools, obs):
        tool_call = ToolCall.from_name("specific_tool_call", arg1="foo")
        action = ToolRequestMessage(tool_calls=[tool_call])
        return await Agent.wrap_action(action), None, 0.0
"""

GRAPH = """
from ldp.graph import FxnOp, LLMCallOp, PromptOp, compute_graph

op_a = FxnOp(lambda x: 2 * x)

async with compute_graph():
    op_result = op_a(3)
"""

GRADS = """
print(op_result.compute_grads())
"""

MEMORY_STEP = """
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
    result = await self._llm_call_op(
        config, msgs=packaged_messages, tools=next_state.tools
    )
    next_state.messages.extend([result])

    return result, next_state, 0.0
"""

GENERIC = """
from dataclasses import dataclass, field
from datetime import datetime

from ldp.agents import Agent


@dataclass
class MyComplexState:
    vector: list[float]
    timestamp: datetime = field(default_factory=datetime.now)


class MyAgent(Agent[MyComplexState]):
    \"\"\"Some agent who is now type checked to match the custom state.\"\"\"
"""


@pytest.fixture(autouse=True)
def own_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents that a program defines are known by their names as long as the program runs."""
    monkeypatch.setattr(Agent, "registry", dict(Agent.registry))


def run(program: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a program as a notebook would, with ``await`` outside functions; gives its names."""
    lines = [RENAMED.get(line, line) for line in program.splitlines()]
    assert not any("ldp" in line or "aviary" in line for line in lines)
    names = {"__name__": "__main__"} if names is None else names
    code = compile("\n".join(lines), "<program>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def execute() -> None:
        awaited = eval(code, names)
        if inspect.isawaitable(awaited):
            await awaited

    asyncio.run(execute())
    return names


def calling(name: str, **arguments: Any) -> Completion:
    return Completion("", finish="tool_calls", tool_calls=(ToolCall.from_name(name, **arguments),))


STORY = calling("print_story", story="A cat wore a hat.")


class Critic:
    async def criticise(self, request: CriticRequest) -> dict[str, Criticism]:
        return {one.name: Criticism(f"better {one.name}") for one in request.inputs if one.wanted}


async def steps(agent: Agent[Any], number: int, env: DummyEnv) -> list[Variable[Any]]:
    obs, tools = await env.reset()
    state = await agent.init_state(tools=tools)
    actions: list[Variable[Any]] = []
    for _ in range(number):
        action, state, _ = await agent.get_asv(state, obs)
        obs, *_ = await env.step(action.value)
        actions.append(action)
    return actions


def test_an_agent_plays_an_episode_without_any_model() -> None:
    names = run(EPISODE)
    assert (names["reward"], names["done"]) == (1.0, True)


def test_an_agent_of_ones_own_is_on_one_graph_through_its_whole_episode() -> None:
    """The actions of earlier steps are in the messages, so feedback on the last one reaches them all."""
    engine = ScriptedEngine([calling("cast_int", x=5.5), STORY])
    with Session(engine=engine):
        agent = run(OWN_AGENT)["SimpleAgent"]()
        actions = asyncio.run(steps(agent, 2, DummyEnv()))
    assert [name for name, _ in agent.named_ops()] == ["llm_call_op"]
    assert engine.calls[1].options.temperature == 0.1
    assert [one.role for one in engine.calls[1].messages] == ["user", "assistant", "tool"]
    assert actions[0] in actions[1].traverse()


def test_the_two_methods_of_an_agent() -> None:
    names = run(EPISODE)
    run(TWO_METHODS, names)
    assert (names["new_action"].value.tool_calls[0].function.name, names["value"]) == ("print_story", 0.0)


def test_a_plain_agent() -> None:
    agent = run(PLAIN_AGENT)["NoThinkAgent"]()
    action, state, _ = asyncio.run(agent.get_asv(None, []))
    assert action.value.tool_calls[0].function.arguments == {"arg1": "foo"}
    assert (state, action.is_leaf) == (None, False)


def test_a_graph_and_its_gradients(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(GRAPH)
    assert names["op_result"].value == 6
    run(GRADS, names)
    assert capsys.readouterr().out == "{'x': 0.0}\n"


def test_an_agent_with_memory_is_on_the_graph_with_its_memory() -> None:
    get_asv = run(MEMORY_STEP, run(GRAPH))["get_asv"]
    kind: Any = type("Remembering", (MemoryAgent,), {"get_asv": get_asv})
    replies: Sequence[Completion] = [calling("cast_int", x=5.5), STORY]
    engine = ScriptedEngine(replies)

    async def play() -> None:
        agent = kind()
        await agent._memory_op.memory_model.add_memory(Memory(query="a story", output="print_story(x)", value=1.0))
        first, second = await steps(agent, 2, DummyEnv())
        assert first not in second.traverse()  # each step is a run of its own
        await abackward(second)
        assert [one.text for one in agent._memory_op.memory.gradients] == ["better msgs"]
        assert [one.text for one in agent.parameters()["_prompt_op.prompt"].gradients] == ["better msgs"]

    with Session(engine=engine, critic=Critic()):
        asyncio.run(play())
    assert "<earned>1.0</earned>" in engine.calls[1].messages[-1].text


def test_an_agent_with_a_state_of_its_own_type() -> None:
    names = run(GENERIC)
    assert names["MyAgent"].__orig_bases__[0].__args__ == (names["MyComplexState"],)
    assert names["MyComplexState"](vector=[1.0]).vector == [1.0]
