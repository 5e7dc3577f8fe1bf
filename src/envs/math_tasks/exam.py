"""An exam: a solver answers a few problems, one after the other; what it earns is the share of right answers."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from envs.base import Action, MultiAgentEnvironment, StepOutcome
from envs.math_tasks.answers import OpenAnswer, same_answer
from envs.math_tasks.sources import Question, Split, questions
from envs.parameters import check_whole
from textgrad_agents.errors import ConfigError, EnvError

SOLVER = "solver"


class MathEnvironment(MultiAgentEnvironment):
    """One problem per cycle, chosen by the episode's seed. Problems do not depend on the answers.

    Args:
        problems: where they come from (`sources.SOURCES`): short, arithmetic, word_problems, gsm8k or math.
        split: ``train``, ``eval`` or ``test``. The yardstick of ``train`` is ``eval``: scores are taken on problems
            that nothing was learned from.
        per_episode: problems in an episode.
        size: how many problems there are to choose from (or the most, of a data set).
        options: what the source takes: ``{"family": "shop"}``, ``{"level": 2}``, ``{"source": "problems.jsonl"}``.
        rel_tol: how far off a number may be, as a part of the right one.

    Raises:
        ConfigError: a parameter is out of its range, or the source has no such problems.
        FileFormatError: a file of problems is damaged; the message names the row.
    """

    name = "math"

    def __init__(
        self,
        problems: str = "word_problems",
        split: Split = "train",
        per_episode: int = 8,
        size: int = 1000,
        options: Mapping[str, Any] | None = None,
        rel_tol: float = 0.0,
    ) -> None:
        check_whole("per_episode", per_episode, 1, 1000)
        check_whole("size", size, 1, 1_000_000)
        if type(rel_tol) not in (int, float) or not 0 <= rel_tol < 1:
            raise ConfigError(f"rel_tol must be a number from 0 to below 1, not {rel_tol!r}")
        self.agents = (SOLVER,)
        self.action_space = OpenAnswer()
        self.max_cycles = per_episode
        self.problems = problems
        self.split: Split = split
        self.size = size
        self.options = dict(options or {})
        self.rel_tol = rel_tol
        self._questions = questions(problems, split, size, tuple(sorted(self.options.items())))
        self._asked: list[Question] = []
        self._cycle = 0

    @property
    def rules(self) -> str:
        """What is asked of the solver, in words."""
        return (
            f"A solver is given {self.max_cycles} problems, one at a time, and answers each of them once. A right"
            f" answer earns {1 / self.max_cycles:.4g}, a wrong one or none nothing; what is earned in all is the share"
            " of right answers. Problems do not depend on earlier answers."
        )

    def reset(self, seed: int) -> None:
        """Choose the problems."""
        chance = random.Random(seed)
        count = self.max_cycles
        few = len(self._questions) < count
        self._asked = (chance.choices if few else chance.sample)(self._questions, k=count)
        self._cycle = 0

    def observe(self, agent: str) -> str:
        """The problem."""
        if agent != SOLVER:
            raise EnvError(f"{agent!r} takes no part in this exam; {SOLVER} does")
        return self._question.text

    def describe_state(self) -> str:
        """The problem and its right answer, for critics only."""
        question = self._question
        return f"Problem: {question.text}\nRight answer: {question.answer}"

    def global_state(self) -> dict[str, Any]:
        """The same as data, for critics and records only."""
        question = self._question
        return {"cycle": self._cycle, "problem": question.text, "answer": question.answer}

    def step(self, actions: Mapping[str, Action]) -> StepOutcome:
        """Grade an answer."""
        question = self._question
        answer = actions.get(SOLVER)
        if len(actions) != 1 or not isinstance(answer, str):
            raise EnvError(f"step: {SOLVER} answers each problem with a text; actions were {dict(actions)!r:.200}")
        right = same_answer(answer, question.answer, rel_tol=self.rel_tol)
        self._cycle += 1
        reward = 1 / self.max_cycles if right else 0.0
        return StepOutcome({SOLVER: reward}, done=self._cycle >= self.max_cycles, info={"right": right})

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: `envs.make(**parameters)` builds the same environment."""
        return {
            "name": self.name,
            "problems": self.problems,
            "split": self.split,
            "per_episode": self.max_cycles,
            "size": self.size,
            "options": dict(self.options),
            "rel_tol": self.rel_tol,
        }

    def yardstick(self) -> MultiAgentEnvironment:
        """The same exam with the problems that scores are taken on."""
        if self.split != "train":
            return self
        return type(self)(self.problems, "eval", self.max_cycles, self.size, self.options, self.rel_tol)

    @property
    def _question(self) -> Question:
        if not self._asked:
            raise EnvError("the exam has not begun; call reset(seed) first")
        if self._cycle >= len(self._asked):
            raise EnvError("the exam is over; call reset(seed) for the next")
        return self._asked[self._cycle]
