"""Where the problems of an episode come from: made up as needed, or rows of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from envs.dataset import TaskDataset
from envs.math_tasks.answers import boxed
from envs.math_tasks.environment import CalculatorEnv
from envs.math_tasks.short_problems import short_problems
from envs.rows import DataSet
from textgrad_agents.errors import ConfigError, FileFormatError

Split = Literal["train", "eval", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)

MATH = DataSet("math", "nlile/hendrycks-MATH-benchmark", "default")
_FOLD = 10


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the right answer as a text."""

    text: str
    answer: str


@lru_cache(maxsize=16)
def questions(problems: str, split: Split, size: int, options: tuple[tuple[str, Any], ...] = ()) -> Sequence[Question]:
    """All questions of a split.

    Args:
        problems: a key of `SOURCES`.
        split: ``train`` to learn from, ``eval`` to choose by, ``test`` to report; they share no question.
        size: how many are made up, if there are so many, or the most that are taken from a data set.
        options: what the source takes, as pairs.

    Raises:
        ConfigError: there is no such source or split, or it does not take the options.
        FileFormatError: a row of a data set is no question.
    """
    if problems not in SOURCES:
        raise ConfigError(f"problems come from {', '.join(SOURCES)}, not {problems!r}")
    if split not in SPLITS:
        raise ConfigError(f"a split is {', '.join(SPLITS)}, not {split!r}")
    try:
        found = SOURCES[problems](split, size, dict(options))
    except TypeError as error:
        raise ConfigError(f"the problems {problems!r} do not take {dict(options)}: {error}") from None
    if not found:
        raise ConfigError(f"the {split} split of {problems} holds no problem")
    return found[:size]


def _short(split: Split, size: int, options: Mapping[str, Any]) -> list[Question]:
    return [
        Question(one.text, str(one.answer)) for one in short_problems(split=split, size=size, at_most=True, **options)
    ]


def _generated(name: str) -> Callable[[Split, int, Mapping[str, Any]], list[Question]]:
    def source(split: Split, size: int, options: Mapping[str, Any]) -> list[Question]:
        return _of(TaskDataset.from_name(name, split=split, size=size, **options))

    return source


def _gsm8k(split: Split, size: int, options: Mapping[str, Any]) -> list[Question]:
    names = {"train": "train", "eval": "val", "test": "test"}
    return _of(TaskDataset.from_name("gsm8k", split=names[split], **options))


def _of(dataset: TaskDataset[CalculatorEnv]) -> list[Question]:
    environments = (dataset.get_new_env_by_idx(index) for index in range(len(dataset)))
    return [Question(one.problem, str(one.answer)) for one in environments]


def _math(split: Split, size: int, options: Mapping[str, Any]) -> list[Question]:
    """MATH (Hendrycks et al. 2021, arXiv 2103.03874); every tenth problem of its training part is for eval."""
    rows = MATH.rows("test" if split == "test" else "train", options.get("source"))
    unknown = set(options) - {"source"}
    if unknown:
        raise ConfigError(f"MATH takes source=…, not {', '.join(sorted(unknown))}")
    found: list[Question] = []
    for index, row in enumerate(rows):
        if split != "test" and (index % _FOLD == 0) != (split == "eval"):
            continue
        problem, answer = row.get("problem"), row.get("answer") or boxed(str(row.get("solution", "")))
        if not isinstance(problem, str) or not problem.strip() or not answer:
            raise FileFormatError(
                f"MATH, row {index}: a row has a problem, and an answer or a solution with a \\boxed{{answer}}"
            )
        found.append(Question(problem, str(answer)))
    return found


SOURCES: Final[Mapping[str, Callable[[Split, int, Mapping[str, Any]], list[Question]]]] = {
    "arithmetic": _generated("arithmetic"),
    "gsm8k": _gsm8k,
    "math": _math,
    "short": _short,
    "word_problems": _generated("word_problems"),
}
"""Makers of questions by name: (split, size, options) -> questions."""
