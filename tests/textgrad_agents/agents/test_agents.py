"""Agents: what they send, what they remember, what is on their graph."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest

from envs import DummyEnv
from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents import (
    Agent,
    AgentConfig,
    MemoryAgent,
    NoToolsSimpleAgent,
    ReActAgent,
    SimpleAgent,
    SimpleAgentState,
    TreeofThoughtsAgent,
)
from textgrad_agents.agents.state import HIDDEN_MESSAGES, HIDDEN_STATE, split_message_transitions
from textgrad_agents.errors import ConfigError, MalformedMessageError
from textgrad_agents.interfaces import Criticism, CriticRequest, GenerateOptions
from textgrad_agents.memory import Memory, VectorMemoryModel
from textgrad_agents.messages import (
    Completion,
    EnvStateMessage,
    Message,
    ToolCall,
    ToolRequestMessage,
    ToolResponseMessage,
    system,
    user,
)
from textgrad_agents.ops import FxnOp, PromptOp
from textgrad_agents.tools import Tool
from textgrad_agents.variables import Variable, eval_mode


def calling(name: str, text: str = "", **arguments: Any) -> Completion:
    return Completion(text, finish="tool_calls", tool_calls=(ToolCall.from_name(name, **arguments),))


STORY = calling("print_story", story="A cat wore a hat.")


class Notes:
    """A critic that says of each input which one it is."""

    def __init__(self) -> None:
        self.requests: list[CriticRequest] = []

    async def criticise(self, request: CriticRequest) -> dict[str, Criticism]:
        self.requests.append(request)
        return {one.name: Criticism(f"{one.name} should be better") for one in request.inputs if one.wanted}


async def one_step(agent: Agent[Any], env: DummyEnv | None = None) -> tuple[Variable[Any], Any]:
    env = env or DummyEnv()
    obs, tools = await env.reset()
    action, state, _ = await agent.get_asv(await agent.init_state(tools), obs)
    return action, state


# -- names and registry --------------------------------------------------------------------------------------


def test_ops_are_named_after_their_attributes() -> None:
    class Inner:
        def __init__(self) -> None:
            self.prompt_op = PromptOp("Say {word}.")

    class Outer(Agent[None]):
        def __init__(self) -> None:
            self.inner = Inner()
            self.many = [FxnOp(len), {"a": FxnOp(str)}]
            self.again = self.many

        async def init_state(self, tools: list[Tool]) -> None:
            return None

        async def get_asv(self, agent_state: None, obs: list[Message]) -> tuple[Variable[Any], None, float]:
            return await Agent.wrap_action(user("hi")), None, 0.0

    agent = Outer()
    assert {name: op.name for name, op in agent.named_ops()} == {
        "inner.prompt_op": "inner.prompt_op",
        "many.0": "many.0",
        "many.1.a": "many.1.a",
    }
    assert {name: one.name for name, one in agent.parameters().items()} == {
        "inner.prompt_op.prompt": "inner.prompt_op.prompt"
    }
    assert isinstance(Agent.from_name("Outer"), Outer)
    action, state, value = asyncio.run(agent.get_asv(None, []))
    assert (action.value.content, state, value) == ("hi", None, 0.0)


def test_what_an_engine_holds_is_not_the_agents() -> None:
    engine = ScriptedEngine([])
    engine.calls.append(FxnOp(len))  # type: ignore[arg-type]
    assert [name for name, _ in SimpleAgent(engine=engine).named_ops()] == ["_config_op", "_llm_call_op"]


@pytest.mark.parametrize("kind", [SimpleAgent, MemoryAgent, ReActAgent, TreeofThoughtsAgent])
def test_agents_are_made_from_config_entries(kind: type[Agent[Any]]) -> None:
    config = AgentConfig(agent_type=kind.__name__, agent_kwargs={"llm_config": "gpt-4o"})
    agent = config.construct_agent()
    assert type(agent) is kind
    assert agent.llm_config == {"name": "gpt-4o"}  # type: ignore[attr-defined]
    assert hash(config) == hash(config.model_copy())
    assert AgentConfig.model_validate_json(config.model_dump_json()) == config


def test_unknown_agents_and_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="no agent is called 'SimpelAgent'; did you mean SimpleAgent"):
        Agent.from_name("SimpelAgent")
    with pytest.raises(ConfigError, match="cannot be made from"):
        Agent.from_name("SimpleAgent", temprature=3)


# -- SimpleAgent ---------------------------------------------------------------------------------------------


def test_a_simple_agent_sends_the_conversation_and_leaves_its_state_alone() -> None:
    async def run() -> None:
        env = DummyEnv(end_immediately=False)
        obs, tools = await env.reset()
        agent = SimpleAgent(sys_prompt="Write well.", llm_config={"name": "x", "temperature": 0.7})
        first = state = await agent.init_state(tools)
        before = first.model_dump_json()
        for _ in range(2):
            action, state, value = await agent.get_asv(state, obs)
            obs, *_ = await env.step(action.value)
        assert value == 0.0
        assert first.model_dump_json() == before
        assert [message.role for message in state.messages] == ["user", "assistant", "tool", "assistant"]

    engine = ScriptedEngine([STORY, STORY])
    with Session(engine=engine):
        asyncio.run(run())
    assert [len(call.messages) for call in engine.calls] == [2, 4]
    assert engine.calls[0].messages[0] == system("Write well.")
    options = engine.calls[0].options
    assert (options.temperature, options.tool_choice, len(options.tools)) == (0.7, "required", 4)


def test_feedback_on_an_action_reaches_the_system_prompt() -> None:
    critic = Notes()
    with Session(engine=ScriptedEngine([STORY]), critic=critic):
        agent = SimpleAgent(sys_prompt="Write well.")
        action, _ = asyncio.run(one_step(agent))
        action.backward()
    (prompt,) = agent.parameters().values()
    assert [gradient.text for gradient in prompt.gradients] == ["msgs.0 should be better"]
    wanted = [one.role for one in critic.requests[0].inputs if one.wanted]
    assert wanted == ["system prompt of the agent"]


def test_without_a_model_the_built_in_engine_calls_a_tool() -> None:
    action, _ = asyncio.run(one_step(SimpleAgent()))
    assert [call.function.name for call in action.value.tool_calls] == ["print_story"]


def test_an_answer_without_a_tool_call_is_an_error_of_the_agent() -> None:
    problem = r"one of print_story, .* called no tool: 'I had rather"
    with Session(engine=ScriptedEngine(["I had rather not."])), pytest.raises(MalformedMessageError, match=problem):
        asyncio.run(one_step(SimpleAgent()))


@pytest.mark.parametrize("kind", [SimpleAgent, MemoryAgent, ReActAgent])
def test_an_agent_may_have_an_engine_of_its_own(kind: Any) -> None:
    own, others = ScriptedEngine([STORY, STORY]), ScriptedEngine([])
    with Session(engine=others):
        asyncio.run(one_step(kind(engine=own)))
    assert own.calls
    assert not others.calls
    assert "engine" not in kind(engine=own).model_dump()


def test_in_eval_mode_nothing_is_recorded() -> None:
    with Session(engine=ScriptedEngine([STORY])), eval_mode():
        action, _ = asyncio.run(one_step(SimpleAgent(sys_prompt="x")))
    assert action.is_leaf


def test_words_become_a_tool_request() -> None:
    def request(message: Message) -> ToolRequestMessage:
        return ToolRequestMessage(content=message.content, tool_calls=[ToolCall.from_name("print_story", story="s")])

    engine = ScriptedEngine(["Once upon a time."])
    with Session(engine=engine):
        action, state = asyncio.run(one_step(NoToolsSimpleAgent(request)))
    assert not engine.calls[0].options.tools
    assert action.value.content == "Once upon a time."
    assert state.messages[-1] is action.value


def test_an_agent_can_be_dumped_and_made_again() -> None:
    agent = SimpleAgent(sys_prompt="x", sliding_window=2)
    assert SimpleAgent(**json.loads(agent.model_dump_json())).model_dump() == agent.model_dump()
    assert agent.model_dump().keys() == {
        "llm_config",
        "sys_prompt",
        "hide_old_env_states",
        "hide_old_action_content",
        "sliding_window",
    }
    assert deepcopy(agent).parameters().keys() == agent.parameters().keys()


# -- states --------------------------------------------------------------------------------------------------


def turn(number: int) -> list[Message]:
    return [
        ToolRequestMessage(content=f"thought {number}", tool_calls=[]),
        ToolResponseMessage(name="t", content="r", tool_call_id=f"{number}"),
        EnvStateMessage(content=f"state {number}"),
    ]


def test_turns_of_a_conversation() -> None:
    opening = [system("s"), user("u")]
    assert split_message_transitions([*opening, *turn(1), *turn(2)]) == [opening, turn(1), turn(2)]
    assert split_message_transitions([]) == []
    assert split_message_transitions(turn(1)) == [[], turn(1)]


def test_the_window_keeps_the_beginning_and_the_last_turns() -> None:
    opening: list[Message] = [system("s"), user("u")]
    state = SimpleAgentState(messages=[*opening, *turn(1), *turn(2), *turn(3)], sliding_window=2)
    after = state.get_next_state([user("next")])
    assert [one.content for one in after.messages[:4]] == ["s", "u", HIDDEN_MESSAGES, "thought 2"]
    assert after.messages[-1].content == "next"
    again = after.get_next_state().messages
    assert [one.content for one in again].count(HIDDEN_MESSAGES) == 1


def test_old_states_and_thoughts_can_be_hidden() -> None:
    state = SimpleAgentState(messages=turn(1), hide_old_env_states=True, hide_old_action_content=True)
    after = state.get_next_state([EnvStateMessage(content="now")])
    assert [one.content for one in after.messages] == [None, "r", HIDDEN_STATE, "now"]
    assert state.messages[0].content == "thought 1"
    assert [one.content for one in state.get_next_state(hide_old_env_states=False).messages][2] == "state 1"


def test_a_state_comes_back_from_json() -> None:
    state = SimpleAgentState(messages=[user("stub"), ToolRequestMessage(content="stub2")])
    again = SimpleAgentState(**state.model_dump())
    assert again.messages == state.messages
    assert isinstance(again.messages[1], ToolRequestMessage)


# -- memory --------------------------------------------------------------------------------------------------


def test_memories_are_shown_and_get_feedback() -> None:
    async def run() -> Variable[Any]:
        await agent._memory_op.memory_model.add_memory(
            Memory(query="Write a 5 word story", output="print_story(Once)", value=9.0)
        )
        return (await one_step(agent))[0]

    engine = ScriptedEngine([STORY])
    with Session(engine=engine, critic=Notes()):
        agent = MemoryAgent(sys_prompt="Write.")
        action = asyncio.run(run())
        action.backward()
    told = engine.calls[0].messages
    assert told[0] == system("Write.")
    assert "<done>print_story(Once)</done><earned>9.0</earned>" in told[-1].text
    memory = agent._memory_op.memory
    assert [one.text for one in memory.gradients] == ["msgs should be better"]
    assert {name for name, one in agent.parameters().items() if one.gradients} == {
        "_prompt_op.prompt",
        "_sys_prompt_op.prompt",
    }


def test_without_memories_nothing_is_shown() -> None:
    engine = ScriptedEngine([STORY])
    with Session(engine=engine):
        asyncio.run(one_step(MemoryAgent(memory_model=VectorMemoryModel())))
    assert len(engine.calls[0].messages) == 1


# -- ReAct ---------------------------------------------------------------------------------------------------


def test_react_thinks_and_then_calls() -> None:
    engine = ScriptedEngine(["Thought: a story is due.", STORY])
    with Session(engine=engine):
        action, state = asyncio.run(one_step(ReActAgent()))
    assert [call.options.tool_choice for call in engine.calls] == ["none", "required"]
    assert [message.role for message in state.messages] == ["user", "assistant", "user", "assistant"]
    assert action.value.tool_calls[0].function.name == "print_story"
    assert engine.calls[1].messages[2].content == "Thought: a story is due."


@pytest.mark.parametrize("method", ["describe_str", "describe_xml", "describe_json"])
def test_react_in_one_prompt_describes_the_tools(method: str) -> None:
    engine = ScriptedEngine(["Thought: easy.\nAction: print_story\nAction Input: A cat wore a hat"])
    with Session(engine=engine):
        action, _ = asyncio.run(one_step(ReActAgent(single_prompt=True, tool_description_method=method)))
    assert action.value.content == "easy."
    assert action.value.tool_calls[0].function.arguments == {"story": "A cat wore a hat"}
    prompt = engine.calls[0].messages[0].text
    assert "out of [print_story, cast_float, cast_int, get_random_int]" in prompt
    assert {"describe_str": "SYNOPSIS", "describe_xml": "<name>", "describe_json": '"name":'}[method] in prompt
    assert engine.calls[0].options.stop == ("Observation:",)
    assert not engine.calls[0].options.tools


def test_react_asks_again_where_no_action_can_be_taken() -> None:
    good = "Action: print_story\nAction Input: ok"
    engine = ScriptedEngine(["What?", "Action: fly\nAction Input: 1", "Action: cast_int\nAction Input: 1, 2, 3", good])
    with Session(engine=engine):
        action, state = asyncio.run(one_step(ReActAgent(single_prompt=True)))
    assert action.value.tool_calls[0].function.arguments == {"story": "ok"}
    assert len(engine.calls) == 4
    assert len(state.messages) == 2
    assert len({call.options.seed for call in engine.calls}) == 4
    unusable = ScriptedEngine(["What?"] * 5)
    with Session(engine=unusable), pytest.raises(MalformedMessageError, match="no line 'Action: NAME'") as caught:
        asyncio.run(one_step(ReActAgent(single_prompt=True)))
    assert any("none of 5 replies" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("alone", [True, False])
def test_what_tools_answer_is_called_an_observation_and_the_environments_message_stays(alone: bool) -> None:
    response = ToolResponseMessage(name="t", content="42", tool_call_id="1")
    replies: Sequence[Any] = ["Action: print_story\nAction Input: ok"] if alone else ["Hm.", STORY]

    async def run() -> SimpleAgentState:
        _, tools = await DummyEnv().reset()
        agent = ReActAgent(single_prompt=alone)
        return (await agent.get_asv(await agent.init_state(tools), [response]))[1]

    with Session(engine=ScriptedEngine(replies)):
        state = asyncio.run(run())
    assert state.messages[0].content == "Observation: 42"
    assert state.messages[0].role == ("user" if alone else "tool")
    assert response.content == "42"


def test_act_agents_have_no_thoughts() -> None:
    assert "Thought" not in ReActAgent.make_act_agent(single_prompt=True).sys_prompt
    assert ReActAgent.make_act_agent().sys_prompt != ReActAgent().sys_prompt


@pytest.mark.parametrize("alone", [True, False])
def test_feedback_reaches_the_prompt_of_react(alone: bool) -> None:
    replies: Sequence[Any] = ["Action: print_story\nAction Input: ok"] if alone else ["Hm.", STORY]
    with Session(engine=ScriptedEngine(replies), critic=Notes()):
        agent = ReActAgent(single_prompt=alone)
        action, _ = asyncio.run(one_step(agent))
        action.backward()
    assert agent.parameters()["_react_module.prompt_op.prompt"].gradients


# -- tree of thoughts ----------------------------------------------------------------------------------------


def test_the_best_thoughts_are_thought_on() -> None:
    def answer(messages: Sequence[Message], options: GenerateOptions) -> str:
        question = messages[0].text
        if "Write possible next thoughts" in question:
            return "good\nbad\n\n"
        thoughts = question.partition("Thoughts:\n")[2].partition("\nHow")[0].split()
        return f"{thoughts.count('good')}/10"

    def say(text: str) -> None:
        """Say.

        Args:
            text: what
        """

    async def run() -> Variable[Any]:
        agent = TreeofThoughtsAgent()
        state = await agent.init_state([Tool.from_function(say)])
        action, after, _ = await agent.get_asv(state, [user("Be good.")], n_steps=2, n_select_samples=2)
        assert after.messages[-1] is action.value
        return action

    with Session(engine=ScriptedEngine(answer)) as session:
        action = asyncio.run(run())
        assert session is not None
    assert action.value.tool_calls[0].function.arguments == {"text": "good\ngood\n"}
    assert len(action.get_upstream_results("_llm_call_op")) == 2


def test_a_tree_of_thoughts_needs_a_problem() -> None:
    agent = TreeofThoughtsAgent()
    with pytest.raises(ConfigError, match="needs a problem"):
        asyncio.run(agent.get_asv(SimpleAgentState(), []))
