"""Datasets of problems that are made up as they are asked for: nothing to download, as many as one likes.

A problem belongs to the split that its text gives it, eight tenths to train and a tenth each to eval and test, so that
no problem is in two splits, whatever their seeds.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, get_args

from envs.dataset import TaskDataset
from envs.math_tasks.arithmetic import make_arithmetic
from envs.math_tasks.environment import CalculatorEnv, CalculatorEnvConfig
from envs.math_tasks.gsm8k import read_config
from envs.math_tasks.problems import LEVELS, Problem
from envs.math_tasks.word_problems import make_word_problem
from textgrad_agents.errors import ConfigError
from textgrad_agents.seeds import derive_seed

GeneratedSplit = Literal["train", "eval", "test"]

_TENTHS: Mapping[int, GeneratedSplit] = {8: "eval", 9: "test"}
_EXACT = CalculatorEnvConfig(rel_tol=0.0)


class GeneratedDataset(TaskDataset[CalculatorEnv]):
    """Problems of one kind.

    Args:
        split: train, eval or test.
        level: how hard, 1 to 5; None goes through the levels in turn.
        size: how many problems there are. Short problems may occur twice.
        seed: the same seed gives the same problems.
        config: rewards and rules of all environments; answers have to be exact if it says nothing else.

    Raises:
        ConfigError: one of these is out of range or of another type.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        split: GeneratedSplit = "train",
        level: int | None = None,
        size: int = 1000,
        seed: int = 0,
        config: CalculatorEnvConfig | Mapping[str, Any] | None = None,
    ) -> None:
        if split not in get_args(GeneratedSplit):
            raise ConfigError(f"a split is train, eval or test, not {split!r}")
        if level is not None and level not in LEVELS:
            raise ConfigError(f"a level is a whole number from {LEVELS[0]} to {LEVELS[-1]}, not {level!r}")
        if size < 1:
            raise ConfigError(f"size must be at least 1, not {size}")
        self.split = split
        self.level = level
        self.size = size
        self.seed = seed
        self.config = _EXACT if config is None else read_config(config)

    @abstractmethod
    def make(self, level: int, chance: random.Random) -> Problem:
        """A problem of a level."""

    def __len__(self) -> int:
        return self.size

    def get_new_env_by_idx(self, idx: int) -> CalculatorEnv:
        """The environment of a problem; negative indices count from the end.

        Raises:
            IndexError: there are not so many.
        """
        index = range(self.size)[idx]
        level = self.level or LEVELS[index % len(LEVELS)]
        chance = random.Random(derive_seed(self.kind, self.split, level, self.seed, index))
        problem = self.make(level, chance)
        while split_of(problem) != self.split:
            problem = self.make(level, chance)
        name = f"{self.kind}-{self.split}-level{level}-seed{self.seed}-{index}"
        return CalculatorEnv(name, problem.text, problem.answer, self.config)


class ArithmeticDataset(GeneratedDataset):
    """The value of an expression; see `envs.math_tasks.arithmetic` for the levels."""

    kind = "arithmetic"

    def make(self, level: int, chance: random.Random) -> Problem:
        """A problem of a level."""
        return make_arithmetic(level, chance)


class WordProblemDataset(GeneratedDataset):
    """Stories about how many things somebody has; see `envs.math_tasks.word_problems` for the levels."""

    kind = "word_problems"

    def make(self, level: int, chance: random.Random) -> Problem:
        """A problem of a level."""
        return make_word_problem(level, chance)


def split_of(problem: Problem) -> GeneratedSplit:
    """The split that a problem belongs to."""
    return _TENTHS.get(derive_seed("split", problem.text) % 10, "train")
