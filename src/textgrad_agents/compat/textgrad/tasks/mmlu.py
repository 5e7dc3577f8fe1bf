"""MMLU: multiple-choice questions of many subjects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textgrad_agents.compat.textgrad.tasks.answers import eval_string_based
from textgrad_agents.compat.textgrad.tasks.base import Dataset, data_root, read_rows, split_name
from textgrad_agents.compat.textgrad.tasks.multiple_choice import QUERY_TEMPLATE_MULTICHOICE, InstanceDataset, query

__all__ = ["MMLU", "QUERY_TEMPLATE_MULTICHOICE", "MMLUInstanceDataset", "eval_string_based"]

_SOURCE = "https://github.com/hendrycks/test (data.tar)"
_FOLDERS = {"train": "dev", "validation": "val", "test": "test"}


class MMLU(Dataset):
    """Questions and letters of one subject.

    Args:
        subset: the subject, ``machine_learning``, ``college_physics`` …
        root: folder that holds ``mmlu/test/SUBJECT_test.csv`` and the like for ``dev`` and ``val``.
        split: ``train``, ``validation`` or ``test``.
    """

    def __init__(self, subset: str, root: str | Path | None = None, split: str = "train", **_: Any) -> None:
        self.subset = subset
        self.split = split_name(split, tuple(_FOLDERS))
        folder = _FOLDERS[split]
        path = data_root(root) / "mmlu" / folder / f"{subset}_{folder}.csv"
        rows = read_rows(path, _SOURCE, ("question", *"ABCD", "answer"))
        self.data = [(row["question"], [row[letter] for letter in "ABCD"], row["answer"]) for row in rows]

    def __getitem__(self, index: int) -> Any:
        """Question and letter."""
        question, choices, answer = self.data[index]
        listed = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", choices, strict=True))
        return f"Question: {question}\nChoices:\n{listed}", answer

    def __len__(self) -> int:
        return len(self.data)

    def get_default_task_instruction(self) -> str:
        """What the task is."""
        return "Choose the right answer of a multiple-choice question."


class MMLUInstanceDataset(InstanceDataset):
    """`MMLU` to improve single answers with.

    Args:
        evaluation_api: engine of the loss.
        subset: the subject.
        root: see `MMLU`.
        split: see `MMLU`.
        max_samples: so many rows at most; -1 for all.
    """

    OBJECTIVE = (
        "You are an expert. Below are a multiple-choice question and an answer to it. Examine the answer: follow its "
        "reasoning step by step, compare it with what you know, and say whether it is right and where it goes wrong."
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
        data = MMLU(subset, root, split).data
        self.data = data if max_samples < 0 else data[:max_samples]

    def row(self, index: int) -> tuple[str, str]:
        """Question and letter."""
        question, choices, answer = self.data[index]
        return query(question, choices), answer

    def __len__(self) -> int:
        return len(self.data)
