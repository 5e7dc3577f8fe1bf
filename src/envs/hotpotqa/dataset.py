"""The questions of HotPotQA."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError

from envs.dataset import TaskDataset
from envs.hotpotqa.environment import HotPotQAEnv, HotPotQAEnvConfig
from envs.hotpotqa.pages import PageSource
from envs.hotpotqa.wikipedia import WikipediaPages
from envs.rows import DataSet, Row
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.interfaces import Engine
from textgrad_agents.validation import explain, short

HOTPOTQA = DataSet("hotpotqa", "hotpotqa/hotpot_qa", "fullwiki")

_SPLITS = {"train": "train", "dev": "validation", "eval": "validation", "val": "validation", "validation": "validation"}


class HotPotQADifficultyLevel(StrEnum):
    """How hard a question is; only training questions of all levels are published."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class HotPotQADatasetConfig(HotPotQAEnvConfig):
    """What is taken from the data, besides what `HotPotQAEnvConfig` says of every environment."""

    shuffle_data: bool = Field(default=False, description="put the questions in random order")
    seed: int | None = Field(default=None, description="of that order; None for any")
    data_fraction: float = Field(default=1.0, gt=0, le=1, description="the part to take, after shuffling")
    difficulty_level: set[HotPotQADifficultyLevel] | None = Field(
        default=None, description="take questions of these levels: easy, medium, hard"
    )


class HotPotQADataset(TaskDataset[HotPotQAEnv]):
    """Questions of a split.

    Args:
        split: train or dev (also called val, eval, validation). The test split has no answers.
        config: a `HotPotQADatasetConfig`, or its fields.
        source: where the questions are: a file, ``.json`` as published, ``.jsonl`` or ``.parquet``; a name on the hub;
            or None for the published data set (see `envs.rows`).
        pages: where the pages of all environments come from; live Wikipedia if nothing is given.
        engine: the model that grades, if the evaluation mode asks one.
        fields: fields of the config.

    Raises:
        ConfigError: there is no such split, the config is wrong, or the data cannot be had.
        FileFormatError: the file is missing or damaged, or a question has no answer.
    """

    def __init__(
        self,
        split: str,
        config: HotPotQADatasetConfig | Mapping[str, Any] | None = None,
        source: str | os.PathLike[str] | None = None,
        pages: PageSource | None = None,
        engine: Engine | None = None,
        **fields: Any,
    ) -> None:
        if split not in _SPLITS:
            raise ConfigError(f"HotPotQA has the splits train and dev with answers, not {split!r}")
        self.config = _read_config(config, fields)
        self.pages = WikipediaPages() if pages is None else pages
        self.engine = engine
        levels = self.config.difficulty_level
        rows = enumerate(HOTPOTQA.rows(_SPLITS[split], source))
        questions = [_question(index, row) for index, row in rows if levels is None or _level(index, row) in levels]
        if self.config.shuffle_data:
            random.Random(self.config.seed).shuffle(questions)
        self.questions = questions[: int(self.config.data_fraction * len(questions))]

    def __len__(self) -> int:
        return len(self.questions)

    def get_new_env_by_idx(self, idx: int) -> HotPotQAEnv:
        """The environment of a question."""
        rules = self.config.model_dump(include=set(HotPotQAEnvConfig.model_fields))
        return HotPotQAEnv(*self.questions[idx], **rules, pages=self.pages, engine=self.engine)


def _read_config(
    config: HotPotQADatasetConfig | Mapping[str, Any] | None, fields: Mapping[str, Any]
) -> HotPotQADatasetConfig:
    given = config.model_dump() if isinstance(config, HotPotQADatasetConfig) else config or {}
    try:
        return HotPotQADatasetConfig(**{**given, **fields})
    except ValidationError as error:
        raise ConfigError(f"config: {explain(error, fields=HotPotQADatasetConfig.model_fields)}") from None


def _question(index: int, row: Row) -> tuple[str, str, str]:
    """Identifier, question and answer of a row."""
    identifier = row.get("id") or row.get("_id") or str(index)
    question, answer = row.get("question"), row.get("answer")
    if not isinstance(question, str) or not question.strip():
        raise FileFormatError(f"HotPotQA, row {index}: there is no question; each row has a question and an answer")
    if isinstance(answer, bool) or not isinstance(answer, str | int | float) or not str(answer).strip():
        raise FileFormatError(f"HotPotQA, row {index}: the answer must be a text or a number, not {short(answer)}")
    return str(identifier), question, str(answer)


def _level(index: int, row: Row) -> str:
    if not isinstance(row.get("level"), str):
        raise FileFormatError(f"HotPotQA, row {index}: there is no level; leave difficulty_level out")
    return row["level"]
