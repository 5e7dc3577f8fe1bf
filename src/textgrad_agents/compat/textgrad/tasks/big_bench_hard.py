"""BIG-Bench Hard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textgrad_agents.compat.textgrad.tasks.answers import parse_integer_answer, string_based_equality_fn
from textgrad_agents.compat.textgrad.tasks.base import Dataset, data_root, read_rows, split_name

__all__ = ["BigBenchHard", "parse_integer_answer", "string_based_equality_fn"]

_SOURCE = "https://github.com/suzgunmirac/BIG-Bench-Hard (folder bbh)"
_SPLITS = {"train": slice(0, 50), "val": slice(50, 150), "test": slice(150, None)}
_DESCRIPTION = (
    "You will answer a reasoning question. Think step by step. End with a line of the form 'Answer: $VALUE', where "
    "VALUE is a number."
)


class BigBenchHard(Dataset):
    """Questions and answers of one task: 50 to train, 100 to validate, the rest to test.

    Args:
        task_name: ``object_counting``, ``word_sorting`` …
        root: folder that holds ``TASK.json``, or TextGrad's own ``TASK/SPLIT.csv``.
        split: ``train``, ``val`` or ``test``.
    """

    def __init__(self, task_name: str, root: str | Path | None = None, split: str = "train", **_: Any) -> None:
        self.task_name = task_name
        self.split = split_name(split, tuple(_SPLITS))
        folder = data_root(root)
        ready = folder / task_name / f"{split}.csv"
        if ready.exists():
            rows = read_rows(ready, _SOURCE)
            self.data = [(row["x"], row["y"]) for row in rows]
        else:
            rows = read_rows(folder / f"{task_name}.json", _SOURCE)
            self.data = [(row["input"], row["target"]) for row in rows[_SPLITS[split]]]

    def __getitem__(self, index: int) -> tuple[str, str]:
        """Question and answer."""
        return self.data[index]

    def __len__(self) -> int:
        return len(self.data)

    def get_task_description(self) -> str:
        """A first prompt for the task."""
        return _DESCRIPTION

    def get_default_task_instruction(self) -> str:
        """A first prompt for the task."""
        return _DESCRIPTION
