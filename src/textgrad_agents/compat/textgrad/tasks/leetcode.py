"""Hard LeetCode problems with tests."""

from __future__ import annotations

from pathlib import Path

from textgrad_agents.compat.textgrad.tasks.base import Dataset, data_root, read_rows

_SOURCE = "https://github.com/vinid/data (leetcode_with_tests.jsonl)"


class LeetCodeHardEval(Dataset):
    """Rows of ``(task id, prompt, tests)``.

    Args:
        root: folder that holds ``leetcode-hard.jsonl``.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.dataset = read_rows(data_root(root) / "leetcode-hard.jsonl", _SOURCE)

    def __getitem__(self, index: int) -> tuple[str, str, str]:
        """Task id, prompt and tests."""
        row = self.dataset[index]
        return row["task_id"], row["prompt"], row["test"]

    def __len__(self) -> int:
        return len(self.dataset)

    def get_task_description(self) -> str:
        """A first prompt for the task."""
        return "You will solve a hard programming problem. Write a function that passes all tests."
