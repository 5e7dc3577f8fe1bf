"""Automatic prompt engineering: a model infers a better prompt from good and bad outputs.

Zhou et al., "Large Language Models Are Human-Level Prompt Engineers" (ICLR 2023), the forward mode of generation. It
needs no gradients, only outputs with a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.optim.base import Optimizer
from textgrad_agents.optim.budget import fit
from textgrad_agents.optim.constraints import Check, NoControlCharacters, PlaceholdersKept
from textgrad_agents.optim.examples import Example, examples_of
from textgrad_agents.optim.history import History
from textgrad_agents.optim.proposals import Outcome, Proposal
from textgrad_agents.optim.rewrite import Rewriter, text_of
from textgrad_agents.trajectory import Trajectory
from textgrad_agents.transitions import Trajectory as Rollout
from textgrad_agents.variables.variable import Variable

TASK = "Write a better prompt than the value described below."


class APE(Optimizer):
    """Rewrites one prompt from examples. A prompt whose placeholders changed is never taken.

    Args:
        parameter: the prompt.
        good_reward: an output worth at least this is good.
        engine: who writes; the session's optimizer engine if None.
        max_examples: most good, and most bad, examples in a request: the best, and those nearest to good.
        discount: of later rewards in an example's value, from 0 to 1.
        constraints: constraints in words, shown to the model.
        checks: constraints that are enforced, beside the placeholders.
        token_budget: tokens of all examples in one request; long ones are cut, and say so.
        seed: root of the calls' seeds; the session's if None.

    Attributes:
        trace: every value that the prompt had, the present one last.
    """

    def __init__(
        self,
        parameter: Variable[Any],
        *,
        good_reward: float,
        engine: Engine | None = None,
        max_examples: int = 50,
        discount: float = 1.0,
        constraints: Sequence[str] = (),
        checks: Sequence[Check] = (),
        token_budget: int = 24_000,
        seed: int | None = None,
    ) -> None:
        super().__init__((parameter,))
        if max_examples < 1:
            raise ConfigError(f"max_examples must be at least 1, got {max_examples}")
        if not 0 <= discount <= 1:
            raise ConfigError(f"discount must be from 0 to 1, got {discount}")
        self._good_reward = good_reward
        self._rewriter = Rewriter(
            "ape", TASK, engine, tuple(constraints), (NoControlCharacters(), PlaceholdersKept(), *checks), seed
        )
        self._max_examples = max_examples
        self._discount = discount
        self._token_budget = token_budget
        self._good: list[Example] = []
        self._bad: list[Example] = []
        self._history = History(values=0, feedback=0, failures=4)
        self.trace: list[str] = [str(parameter.value)]

    def add(self, example: Example) -> None:
        """Take in one example."""
        (self._good if example.value >= self._good_reward else self._bad).append(example)

    def aggregate_trajectory(self, trajectory: Trajectory | Rollout) -> None:
        """Take in every scored step."""
        for example in examples_of(trajectory, self._discount):
            self.add(example)

    async def propose(self) -> tuple[Proposal, ...]:
        """Ask for a better prompt; without a bad example there is nothing to mend and no model is asked.

        Raises:
            ConfigError: the parameter holds no text, or there is no engine.
            EngineError: the engine cannot answer.
        """
        (parameter,) = self.parameters
        old = await text_of(parameter)
        if not self._bad:
            return (Proposal(parameter, old, old, Outcome.NO_GRADIENT, "there is no bad example"),)
        best = [sorted(some, key=lambda one: -one.value)[: self._max_examples] for some in (self._good, self._bad)]
        texts = fit([text for some in best for one in some for text in (one.query, one.output)], self._token_budget)
        pieces = iter(texts)
        good, bad = (
            [{"input": next(pieces), "output": next(pieces), "value": one.value} for one in some] for some in best
        )
        data = {
            "good_examples": good,
            "bad_examples": bad,
            "feedback": [],
            "examples": [],
            "history": self._history.entries(parameter),
        }
        return (await self._rewriter.propose(parameter, old, data, attempt=self._history.length),)

    def _remember(self, proposals: Sequence[Proposal]) -> None:
        for one in proposals:
            self._history.add(one)
            if one.outcome is Outcome.PROPOSED:
                self.trace.append(one.new)
                self._bad.clear()
