"""A person at the keyboard as an agent."""

from __future__ import annotations

import asyncio

import pytest

from envs import DummyEnv
from textgrad_agents.agents import InteractiveAgent
from textgrad_agents.agents.interactive import PersonLeft
from textgrad_agents.messages import ToolRequestMessage


def played(*typed: str) -> tuple[ToolRequestMessage, str]:
    """What the person asked for, and what was shown."""
    answers, shown = iter(typed), list[str]()

    def ask(prompt: str) -> str:
        shown.append(prompt)
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    async def run() -> ToolRequestMessage:
        agent = InteractiveAgent(ask, shown.append)
        obs, tools = await DummyEnv().reset()
        action, _, _ = await agent.get_asv(await agent.init_state(tools), obs)
        return action.value

    return asyncio.run(run()), "\n".join(shown)


def test_a_person_chooses_a_tool_and_its_arguments() -> None:
    action, shown = played("print_story", "A cat wore a hat.")
    assert action.tool_calls[0].function.arguments == {"story": "A cat wore a hat."}
    assert "Write a 5 word story" in shown
    assert "NAME: cast_int" in shown


def test_numbers_are_numbers_and_mistakes_can_be_mended() -> None:
    action, shown = played("fly", "cast_int", "CLEAR", "cast_int", "", "5.5")
    assert action.tool_calls[0].function.arguments == {"x": 5.5}
    assert "no tool is called 'fly'" in shown
    assert "x has no default" in shown


@pytest.mark.parametrize(("typed", "problem"), [(("EXIT",), "ended the rollout"), ((), "nothing more to read")])
def test_a_person_can_leave(typed: tuple[str, ...], problem: str) -> None:
    with pytest.raises(PersonLeft, match=problem):
        played(*typed)
