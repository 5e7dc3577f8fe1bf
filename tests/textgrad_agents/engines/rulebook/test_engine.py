"""The engine as a whole: the kinds of request, refusals, and no memory."""

import asyncio
import json
import random
from typing import Annotated, Literal

import pytest
from pydantic import Field

from textgrad_agents import GenerateOptions, RulebookEngine
from textgrad_agents.errors import EngineRefusal
from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import system, user
from textgrad_agents.tools import Tool

TABLE = """Role guard (ann, bob): 80 decisions
- When it rains: stay +0.5 (40 times, spread 0.5); go_out -0.5 (40 times, spread 0.5)
- ann: 40 decisions, choices worth +0.25 (best +0.5, worst -0.5)
- bob: 40 decisions, choices worth -0.5 (best +0.5, worst -0.5)"""

DATA = json.dumps({"role": "policy of ann", "value": "Be kind.", "feedback": [{"text": TABLE}]})
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def actor(policy="When it rains, stay.", situation="it rains"):
    offer = "- 0 = go_out: leave\n- 1 = stay: remain"
    told = f"A game.\n\n## Your policy\n{policy}\n\n## Answer format: one action\n{offer}"
    return [system(told), user(f"Situation: {situation}\n\nWhich action?")]


EVALUATION = [system("A critic."), user(f"{TABLE}\n\n## Answer format: evaluation\nAgent: all\nWrite.")]
CREDIT = [system("A critic."), user(f"{TABLE}\n\n## Answer format: credit per agent\nAgents: ann, bob\nAnswer.")]
OPTIMIZER = [
    system("You improve."),
    user(
        f"Task.\n\n```json\n{DATA}\n```\n\n## Answer format: improved variable\n\n"
        "Write the new value between <NEW_0123abcd> and </NEW_0123abcd>."
    ),
]


def ask(messages, engine=None, **options):
    return asyncio.run((engine or RulebookEngine()).generate(messages, GenerateOptions(**options)))


def test_it_is_an_engine_and_counts_what_it_reads_and_writes():
    assert isinstance(RulebookEngine(), Engine)
    completion = ask(actor())
    assert completion.model == RulebookEngine().name == "rulebook"
    assert completion.finish == "stop"
    assert completion.usage.estimated
    assert completion.usage.input_tokens > completion.usage.output_tokens > 0


def test_the_answer_format_decides_which_part_it_plays():
    assert ask(actor()).text.startswith("1\n")
    assert ask(EVALUATION).text.startswith("The clearest: when it rains, stay")
    assert set(json.loads(ask(CREDIT).text)) == {"ann", "bob"}
    assert ask(OPTIMIZER).text.endswith("<NEW_0123abcd>\nBe kind.\nWhen it rains, stay.\n</NEW_0123abcd>")


def test_the_last_answer_format_counts():
    quoted = f"It was asked before:\n## Answer format: one action\n- 0 = x: y\n\n{EVALUATION[1].text}"
    assert ask([user(quoted)]).text == ask(EVALUATION).text


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [user("What is the capital of France?")],
        [system("You are a helpful assistant."), user("Hello")],
        [user("Write a poem.\n\n## Answer format: poem")],
        [user("In the middle of a line ## Answer format: evaluation")],
    ],
    ids=["nothing", "a question", "a chat", "another format", "no heading"],
)
def test_anything_else_is_refused_with_what_it_is_and_the_way_out(messages):
    with pytest.raises(EngineRefusal) as refused:
        ask(messages)
    message = str(refused.value)
    for part in (
        "rulebook",
        "not a language model",
        "one action",
        "evaluation",
        "credit per agent",
        "improved variable",
    ):
        assert part in message
    assert "--model" in message
    if messages and "poem" in messages[-1].text:
        assert "`poem`" in message


def test_a_request_with_tools_gets_a_call_that_is_valid_by_their_schemas():
    def order(
        dish: Literal["soup", "stew"], portions: Annotated[int, Field(ge=2)], notes: list[str], name: str = ""
    ) -> str:
        """Order.

        Args:
            dish: what
            portions: how many
            notes: wishes
            name: for whom
        """
        return f"{portions} {dish}"

    other, tool = Tool.from_function(ask_nothing), Tool.from_function(order)
    schemas = tuple(one.model_dump(exclude_none=True, by_alias=True) for one in (tool, other))
    completion = asyncio.run(RulebookEngine().generate([user("Hungry?")], GenerateOptions(tools=schemas, seed=1)))
    (call,) = completion.tool_calls
    assert (completion.text, completion.finish) == ("", "tool_calls")
    assert tool.bind(call.function.arguments)() == "2 soup"
    named = GenerateOptions(tools=schemas, tool_choice="ask_nothing")
    (call,) = asyncio.run(RulebookEngine().generate([user("Hungry?")], named)).tool_calls
    assert (call.function.name, call.function.arguments) == ("ask_nothing", {})


def test_arguments_that_need_a_thought_are_refused():
    schema = {
        "type": "object",
        "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}},
        "required": ["code"],
    }
    tools = ({"type": "function", "function": {"name": "check", "description": "", "parameters": schema}},)
    with pytest.raises(EngineRefusal, match="no language model"):
        ask(actor(), tools=tools)


def test_tools_that_must_not_be_called_change_nothing():
    assert ask(actor(), tools=(TOOL,), tool_choice="none") == ask(actor())


def ask_nothing() -> None:
    """Ask nothing."""


def test_the_same_request_has_the_same_answer_in_any_order():
    requests = [
        (messages, seed, temperature)
        for messages in (EVALUATION, CREDIT, OPTIMIZER, actor(), actor("None."), actor(situation="it snows"))
        for seed in (None, 0, 1, 2, 3)
        for temperature in (0.0, 0.5)
    ]
    engine = RulebookEngine()
    alone = [ask(m, RulebookEngine(), seed=s, temperature=t) for m, s, t in requests]
    order = list(range(len(requests)))
    for shuffle in range(3):
        random.Random(shuffle).shuffle(order)

        async def together(places):
            return await asyncio.gather(
                *(
                    engine.generate(requests[i][0], GenerateOptions(seed=requests[i][1], temperature=requests[i][2]))
                    for i in places
                )
            )

        assert asyncio.run(together(order)) == [alone[i] for i in order]
    assert len({one.text for one in alone}) > 4


def test_options_that_are_no_seed_and_no_temperature_change_nothing():
    plain = ask(actor("None."), seed=5)
    assert ask(actor("None."), seed=5, top_p=0.1, max_tokens=5, stop=("1",), role="actor", extra={"x": 1}) == plain
