"""GSM8K: word problems of grade-school mathematics, with a calculator (Cobbe et al. 2021, arXiv 2110.14168)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Any, ClassVar

from pydantic import ValidationError

from envs.dataset import TaskDataset
from envs.math_tasks.environment import CalculatorEnv, CalculatorEnvConfig
from envs.numbers import read_number
from envs.rows import DataSet, Row
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.validation import explain, short

GSM8K = DataSet("gsm8k", "openai/gsm8k", "main")

_MARK = "####"  # stands before the number at the end of an answer
_FOLD = 5


class GSM8kDatasetSplit(StrEnum):
    """Parts of the data: all training problems, four fifths and one fifth of them, and the test problems."""

    TRAIN_FULL = "train_full"
    TRAIN = "train"
    VAL = "val"
    TEST = "test"

    def holds(self, index: int) -> bool:
        """Whether the problem of this place in the published file belongs here: every fifth is for validation."""
        if self is GSM8kDatasetSplit.TRAIN:
            return index % _FOLD != 0
        return index % _FOLD == 0 if self is GSM8kDatasetSplit.VAL else True


class GSM8kDataset(TaskDataset[CalculatorEnv]):
    """Problems of a split.

    Args:
        split: which.
        config: rewards and rules of all environments.
        source: where the problems are: a file, ``.jsonl`` or ``.parquet``, with the fields ``question`` and ``answer``
            (for train_full, train and val the whole file of training problems); a name on the hub; or None for the
            published data set (see `envs.rows`).

    Raises:
        ConfigError: there is no such split, the config is wrong, or the data cannot be had.
        FileFormatError: the file is missing or damaged, or a problem has no answer.
    """

    Split: ClassVar = GSM8kDatasetSplit

    def __init__(
        self,
        split: GSM8kDatasetSplit | str,
        config: CalculatorEnvConfig | Mapping[str, Any] | None = None,
        source: str | os.PathLike[str] | None = None,
    ) -> None:
        try:
            self.split = GSM8kDatasetSplit(split)
        except ValueError:
            raise ConfigError(f"GSM8K has the splits {', '.join(GSM8kDatasetSplit)}, not {split!r}") from None
        self.config = read_config(config)
        published = "test" if self.split is GSM8kDatasetSplit.TEST else "train"
        rows = enumerate(GSM8K.rows(published, source))
        self.problems = [(index, *_problem(index, row)) for index, row in rows if self.split.holds(index)]

    def __len__(self) -> int:
        return len(self.problems)

    def get_new_env_by_idx(self, idx: int) -> CalculatorEnv:
        """The environment of a problem; its id tells the problem's place in the published file."""
        index, question, answer = self.problems[idx]
        return CalculatorEnv(f"{self.split.value}_{index}", question, answer, self.config)


def read_config(config: CalculatorEnvConfig | Mapping[str, Any] | None) -> CalculatorEnvConfig:
    """A config as it may be given: itself, its fields, or nothing.

    Raises:
        ConfigError: a field is unknown or of another type.
    """
    try:
        return config if isinstance(config, CalculatorEnvConfig) else CalculatorEnvConfig(**(config or {}))
    except ValidationError as error:
        raise ConfigError(f"config: {explain(error, fields=CalculatorEnvConfig.model_fields)}") from None


def _problem(index: int, row: Row) -> tuple[str, Fraction]:
    question, answer = row.get("question"), row.get("answer")
    if not isinstance(question, str) or not question.strip():
        raise FileFormatError(f"GSM8K, row {index}: there is no question; each row has a question and an answer")
    number = read_number(str(answer).rpartition(_MARK)[2]) if answer is not None else None
    if number is None:
        raise FileFormatError(
            f"GSM8K, row {index}: the answer ends with {_MARK} and a number, or is a number, not {short(answer)}"
        )
    return question, number
