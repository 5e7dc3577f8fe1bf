"""GSM8K: grade-school arithmetic in words."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from textgrad_agents.compat.textgrad.tasks.base import Dataset, data_root, read_rows, split_name

_SOURCE = "https://github.com/openai/grade-school-math (folder grade_school_math/data)"
_DESCRIPTION = (
    "You will answer a mathematical reasoning question. Think step by step. End with a line of the form "
    "'Answer: $VALUE', where VALUE is a number."
)


class GSM8K(Dataset):
    """Questions and worked answers: the first 100 of the training file to validate, the first 300 of the other to test.

    Args:
        subset: ``main``, as the files have it.
        root: folder that holds ``gsm8k/train.jsonl`` and ``gsm8k/test.jsonl``.
        split: ``train``, ``val`` or ``test``.
    """

    def __init__(self, subset: str = "main", root: str | Path | None = None, split: str = "train", **_: Any) -> None:
        self.subset = subset
        self.split = split_name(split, ("train", "val", "test"))
        rows = _rows(root, "test" if split == "test" else "train")
        parts = {"train": rows[100:], "val": rows[:100], "test": rows[:300]}
        self.data = [{"question": row["question"], "answer": row["answer"]} for row in parts[split]]

    def __getitem__(self, index: int) -> tuple[str, str]:
        """Question and answer."""
        row = self.data[index]
        return f"Question: {row['question']}", row["answer"]

    def __len__(self) -> int:
        return len(self.data)

    def get_task_description(self) -> str:
        """A first prompt for the task."""
        return _DESCRIPTION


class GSM8K_DSPy(GSM8K):
    """The splits that DSPy made known: 200 to train, 300 to validate, 1,319 to test; answers are the numbers alone.

    Args:
        root: folder that holds ``gsm8k/train.jsonl`` and ``gsm8k/test.jsonl``.
        split: ``train``, ``val`` or ``test``.
    """

    def __init__(self, root: str | Path | None = None, split: str = "train") -> None:
        self.subset = "main"
        self.split = split_name(split, ("train", "val", "test"))
        rows = _rows(root, "test" if split == "test" else "train")
        random.Random(0).shuffle(rows)
        parts = {"train": rows[:200], "val": rows[200:500], "test": rows}
        self.data = [{"question": row["question"], "answer": _number(row["answer"])} for row in parts[split]]


def _rows(root: str | Path | None, name: str) -> list[dict[str, Any]]:
    return read_rows(data_root(root) / "gsm8k" / f"{name}.jsonl", _SOURCE)


def _number(answer: str) -> str:
    return str(int(answer.rpartition("####")[2].strip().replace(",", "")))
