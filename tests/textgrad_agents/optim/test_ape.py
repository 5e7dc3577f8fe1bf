"""APE: a better prompt from good and bad examples."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from textgrad_agents.engines.scripted import ScriptedEngine
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Message
from textgrad_agents.optim import APE, Example, Outcome
from textgrad_agents.trajectory import Step, Trajectory
from textgrad_agents.variables.variable import Variable


def data_of(messages: Sequence[Message]) -> dict[str, Any]:
    [block] = re.findall(r"^## Data\n\n```json\n(.*?)\n```$", messages[1].text, re.MULTILINE | re.DOTALL)
    return json.loads(block)


def answering(write: Callable[[dict[str, Any]], str]) -> ScriptedEngine:
    def answer(messages: Sequence[Message], options: object) -> str:
        [(opening, closing)] = re.findall(r"between (<NEW_\w+>) and (</NEW_\w+>)\.$", messages[-1].text, re.MULTILINE)
        return f"{opening}{write(data_of(messages))}{closing}"

    return ScriptedEngine(answer)


def prompt(text: str = "Say {x}.") -> Variable[str]:
    return Variable(text, role_description="prompt of the actor", name="prompt")


def run(*rewards: float | None) -> Trajectory:
    steps = [
        Step(agent="a", timestep=place, observation=f"saw {place}", reply=f"did {place}", reward=reward)
        for place, reward in enumerate(rewards)
    ]
    return Trajectory("a", tuple(steps))


def test_it_learns_from_good_and_bad_examples() -> None:
    engine = answering(lambda data: "Say {x} loudly.")
    one = prompt()
    ape = APE(one, good_reward=1.0, engine=engine, constraints=["Be polite."])
    ape.add(Example("q1", "a1", 1.0))
    ape.add(Example("q2", "a2", 0.5))
    report = ape.step()
    assert report.changed
    assert one.value == "Say {x} loudly."
    assert ape.trace == ["Say {x}.", "Say {x} loudly."]
    data = data_of(engine.calls[0].messages)
    assert data["value"] == "Say {x}."
    assert data["good_examples"] == [{"input": "q1", "output": "a1", "value": 1.0}]
    assert data["bad_examples"] == [{"input": "q2", "output": "a2", "value": 0.5}]
    assert data["constraints"] == ["Be polite.", "Keep the placeholders {x}; add no others."]
    assert "examples" in engine.calls[0].messages[0].text


@pytest.mark.parametrize("written", ["Say it.", "Say {y}.", "Say {x} {y}.", "Say {x"])
def test_changed_placeholders_are_rejected(written: str) -> None:
    one = prompt()
    ape = APE(one, good_reward=1.0, engine=answering(lambda data: written))
    ape.add(Example("q", "a", 0.0))
    [proposal] = ape.step().proposals
    assert (one.value, proposal.outcome, proposal.refused) == ("Say {x}.", Outcome.REJECTED, written)
    assert ape.trace == ["Say {x}."]


def test_without_a_bad_example_no_model_is_asked() -> None:
    engine = answering(lambda data: "Say {x} loudly.")
    ape = APE(prompt(), good_reward=1.0, engine=engine)
    ape.add(Example("q", "a", 2.0))
    [proposal] = ape.step().proposals
    assert proposal.outcome is Outcome.NO_GRADIENT
    assert engine.calls == []


def test_trajectories_give_examples_worth_their_discounted_future() -> None:
    engine = answering(lambda data: "Say {x} loudly.")
    ape = APE(prompt(), good_reward=3.0, engine=engine, discount=0.5)
    asyncio.run(_aggregate_and_update(ape, run(1.0, None, 8.0), run(0.0)))
    data = data_of(engine.calls[0].messages)
    assert data["good_examples"] == [
        {"input": "saw 2", "output": "did 2", "value": 8.0},
        {"input": "saw 0", "output": "did 0", "value": 1.0 + 0.25 * 8.0},
    ]
    assert data["bad_examples"] == [{"input": "saw 0", "output": "did 0", "value": 0.0}]


async def _aggregate_and_update(ape: APE, *trajectories: Trajectory) -> None:
    ape.aggregate(trajectories)
    await ape.update()


def test_only_the_best_examples_are_shown_and_long_ones_are_cut() -> None:
    engine = answering(lambda data: "Say {x} loudly.")
    ape = APE(prompt(), good_reward=10.0, engine=engine, max_examples=2, token_budget=100)
    for value in (3, 9, 1, 7):
        ape.add(Example("q", "word " * 1000, value))
    ape.step()
    bad = data_of(engine.calls[0].messages)["bad_examples"]
    assert [one["value"] for one in bad] == [9, 7]
    assert all("tokens cut …]" in one["output"] for one in bad)


def test_a_taken_prompt_leaves_the_bad_examples_of_the_old_one_behind() -> None:
    engine = answering(lambda data: data["value"] + "!")
    ape = APE(prompt(), good_reward=1.0, engine=engine)
    ape.add(Example("q", "a", 0.0))
    ape.step()
    assert ape.step().count(Outcome.NO_GRADIENT) == 1
    assert len(engine.calls) == 1


@pytest.mark.parametrize("wrong", [{"max_examples": 0}, {"discount": 1.5}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        APE(prompt(), good_reward=1.0, **wrong)
