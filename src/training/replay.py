"""Replay: a recorded episode as a value in the graph, without calling a model again.

The policies that acted are the inputs, the digest of the episode is the value. Asked for its gradient, the episode puts
the paradigm's questions to the critic's engine; what it says of an agent is the gradient of that agent's policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textgrad_agents.errors import EngineReplyError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.ops.base import FxnOp, Grads, Op
from textgrad_agents.seeds import derive_seed
from textgrad_agents.trajectory import Credit, Episode
from textgrad_agents.variables.gradient import Gradient, NumberTree
from textgrad_agents.variables.graph import BackwardContext, CallID
from training.credit import CreditReading
from training.paradigms import ParadigmEvaluator, Question


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One question to the critic and what came of it.

    Attributes:
        episode_id: the episode judged.
        question: as asked.
        reply: the critic's raw reply ("" if there was none).
        reading: what it says of each agent.
        error: why there was no reply, or None.
    """

    episode_id: int
    question: Question
    reply: str
    reading: CreditReading
    error: str | None = None


class Replay(Op):
    """An episode as a function of the policies that acted in it.

    Args:
        episode: the record.
        digest: what critics read of it.
        evaluator: the paradigm: which questions, for whom.
        engine: answers them.
        seed: of the calls.
        report: told of every evaluation.
    """

    name = "episode"

    def __init__(
        self,
        episode: Episode,
        digest: Callable[[Episode], str],
        evaluator: ParadigmEvaluator,
        engine: Engine,
        *,
        seed: int = 0,
        report: Callable[[Evaluation], None],
    ) -> None:
        self._episode = episode
        self._digest = digest
        self._evaluator = evaluator
        self._engine = engine
        self._seed = seed
        self._report = report

    def forward(self, **policies: str) -> str:
        """The digest of the episode; the record holds what the policies did."""
        return self._digest(self._episode)

    async def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Grads:
        """Each policy's gradient is what the critic says of its agent; an agent it says nothing of gets none."""
        questions = self._evaluator.questions(ctx.output.value)
        evaluations = await asyncio.gather(*(self._ask(question) for question in questions))
        grads: dict[str, tuple[Gradient, ...]] = {}
        for evaluation in evaluations:
            self._report(evaluation)
            for credit in evaluation.reading.credits:
                grads[credit.agent] = (*grads.get(credit.agent, ()), self._gradient(credit))
        return [], {agent: grads.get(agent) for agent in input_kwargs}

    def _gradient(self, credit: Credit) -> Gradient:
        return Gradient(
            text=credit.text,
            origin=f"{self._evaluator.paradigm} critic",
            used_as=f"the policy that acted in episode {self._episode.episode_id}",
        )

    async def _ask(self, question: Question) -> Evaluation:
        episode = self._episode
        options = GenerateOptions(
            temperature=0.0,
            seed=derive_seed(self._seed, "critic", episode.iteration, episode.episode_id, question.label),
            role="critic",
        )
        nothing = CreditReading((), question.agents, "none")
        try:
            completion = await self._engine.generate(question.messages, options)
        except EngineReplyError as error:
            return Evaluation(episode.episode_id, question, "", nothing, str(error))
        reading = self._evaluator.read(question, completion.text, source=self._engine.name)
        return Evaluation(episode.episode_id, question, completion.text, reading)


def _listed(losses: list[Any]) -> list[Any]:
    return losses


join = FxnOp(_listed, "join")
"""Many losses as one, so that a single backward asks about all of them at once."""
