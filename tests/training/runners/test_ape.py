"""APE by numeric gradients: the error that a backward pass brings to a prompt says what its outputs are worth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from textgrad_agents import ScriptedEngine, Session
from textgrad_agents.agents.modules.packaging import append_to_sys
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.messages import Message
from textgrad_agents.ops import (
    FxnOp,
    LLMCallOp,
    PromptOp,
    llm_straight_through_estimator,
    straight_through_estimator,
)
from textgrad_agents.trajectory import Trajectory as Record
from textgrad_agents.transitions import Trajectory, Transition
from textgrad_agents.variables import Variable, compute_graph
from training.runners import APEOpt

WORDS = {"Hello": "5", "Day": "3", "Bar": "7"}
"""What the scripted model guesses; the last guess is wrong."""


def distance(wanted: int, guess: str) -> int:
    return (wanted - int(guess)) ** 2


def away(ctx: Any, args: Any, kwargs: Any, grad_output: Any, call_id: Any) -> Any:
    return [], {"wanted": None, "guess": -2.0 * (kwargs["wanted"] - int(kwargs["guess"]))}


def answer(messages: Sequence[Message], options: GenerateOptions) -> str:
    if options.role != "optimizer":
        return WORDS[messages[-1].text]
    opening = next(word for word in messages[-1].text.split() if word.startswith("<NEW_"))
    return f"{opening}Count the letters.{opening.replace('<', '</')}"


class Guesser:
    """Guesses the length of a word."""

    def __init__(self) -> None:
        self.prompt, self.llm = PromptOp("Guess a number."), LLMCallOp()
        self.package, self.strip = FxnOp(append_to_sys), FxnOp(lambda said: said.content)
        self.loss = FxnOp(distance, backward=away)

    @compute_graph()
    async def __call__(self, word: str) -> Variable[Any]:
        messages = self.package(word, self.prompt())
        loss = await self.loss(len(word), self.strip(self.llm({"temperature": 0}, messages)))
        loss.compute_grads(backward_fns={LLMCallOp: llm_straight_through_estimator, **self.straight()})
        return loss

    def straight(self) -> dict[Any, Any]:
        return {self.package.name: straight_through_estimator, self.strip.name: straight_through_estimator}


def rollout(*actions: Variable[Any]) -> Trajectory:
    steps = [
        Transition(
            timestep=number,
            agent_state=None,
            next_agent_state=None,
            observation=[],
            next_observation=[],
            action=action,
            reward=0.0,
        )
        for number, action in enumerate(actions)
    ]
    return Trajectory(steps=steps)


def test_outputs_whose_prompt_received_no_error_are_good_and_the_others_mend_the_prompt() -> None:
    guesser, engine = Guesser(), ScriptedEngine(answer)

    async def run() -> APEOpt:
        optimizer = APEOpt(guesser.prompt, llm_call_op=guesser.llm, score_fn="gradient")
        optimizer.aggregate([rollout(*[await guesser(word) for word in WORDS])])
        await optimizer.update()
        return optimizer

    with Session(engine=engine):
        optimizer = asyncio.run(run())
    assert [(one.query, one.output, one.value) for one in optimizer._good] == [("Hello", "5", 0.0), ("Day", "3", 0.0)]
    request = engine.calls[-1].messages[-1].text
    assert request.index("Day") < request.index("Bar")
    assert "-8" in request
    assert optimizer.trace == ["Guess a number.", "Count the letters."]
    assert guesser.prompt.prompt.value == "Count the letters."


def test_outputs_of_other_ops_and_prompts_that_nothing_reached_give_no_example() -> None:
    guesser = Guesser()

    async def run() -> None:
        done = rollout(await guesser("Bar"))
        for prompt_op, llm in ((guesser.prompt, LLMCallOp()), (PromptOp("another"), guesser.llm)):
            other = APEOpt(prompt_op, llm_call_op=llm, score_fn="gradient")
            other.aggregate([done])
            assert (other._good, other._bad) == ([], [])

    with Session(engine=ScriptedEngine(answer)):
        asyncio.run(run())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="score_fn must be 'reward' or 'gradient', got 'loss'"):
        APEOpt(PromptOp("x"), score_fn="loss")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="not from records"):
        APEOpt(PromptOp("x"), score_fn="gradient").aggregate_trajectory(Record("agent"))
