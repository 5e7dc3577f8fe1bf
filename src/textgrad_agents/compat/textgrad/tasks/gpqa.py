"""GPQA: multiple-choice questions that experts wrote."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from textgrad_agents.compat.textgrad.tasks.answers import eval_string_based
from textgrad_agents.compat.textgrad.tasks.base import Dataset, data_root, read_rows, split_name
from textgrad_agents.compat.textgrad.tasks.multiple_choice import QUERY_TEMPLATE_MULTICHOICE, InstanceDataset, query

__all__ = [
    "GPQA",
    "QUERY_TEMPLATE_MULTICHOICE",
    "GPQAInstanceDataset",
    "GPQAInstanceDatasetOpenAI",
    "eval_string_based",
]

_SOURCE = "https://github.com/idavidrein/gpqa (dataset.zip)"
_SUBSETS = ("gpqa_main", "gpqa_diamond", "gpqa_extended")
_COLUMNS = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3", "Correct Answer")


class GPQA(Dataset):
    """Questions and letters; the choices of every question are shuffled in the same way.

    Args:
        subset: ``gpqa_main``, ``gpqa_diamond`` or ``gpqa_extended``.
        root: folder that holds ``gpqa/SUBSET.csv``.
    """

    def __init__(self, subset: str, root: str | Path | None = None, **_: Any) -> None:
        self.subset = split_name(subset, _SUBSETS)
        self.data = read_rows(data_root(root) / "gpqa" / f"{subset}.csv", _SOURCE)

    def __getitem__(self, index: int) -> Any:
        """Question and letter."""
        row = self.data[index]
        choices = [row[column].strip() for column in _COLUMNS]
        right = choices[-1]
        random.Random(42).shuffle(choices)
        return query(row["Question"], choices), "ABCD"[choices.index(right)]

    def __len__(self) -> int:
        return len(self.data)

    def get_default_task_instruction(self) -> str:
        """What the task is."""
        return "Choose the right answer of a multiple-choice question."


class GPQAInstanceDataset(InstanceDataset):
    """`GPQA` to improve single answers with.

    Args:
        evaluation_api: engine of the loss.
        subset: see `GPQA`.
        root: see `GPQA`.
        max_samples: so many rows at most; -1 for all.
    """

    OBJECTIVE = (
        "You are an expert. Below are a multiple-choice question and an answer to it. Examine the answer: follow its "
        "reasoning step by step, look for reasons why it could be wrong, and weigh whether another choice could "
        "be true."
    )

    def __init__(
        self,
        evaluation_api: Any,
        subset: str,
        root: str | Path | None = None,
        split: str = "train",
        max_samples: int = -1,
    ) -> None:
        self.evaluation_api = evaluation_api
        self._rows = GPQA(subset, root)
        self._length = len(self._rows) if max_samples < 0 else min(max_samples, len(self._rows))

    def row(self, index: int) -> tuple[str, str]:
        """Question and letter."""
        return self._rows[index]

    def __len__(self) -> int:
        return self._length


GPQAInstanceDatasetOpenAI = GPQAInstanceDataset
