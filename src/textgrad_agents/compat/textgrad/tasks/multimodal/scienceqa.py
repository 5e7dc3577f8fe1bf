"""ScienceQA: school science with pictures."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from textgrad_agents.compat.textgrad.tasks.base import data_root, read_rows
from textgrad_agents.compat.textgrad.tasks.multimodal.base import ImageDataset, ImageQuestion, Judged

_SOURCE = "https://github.com/lupantech/ScienceQA (data/scienceqa/problems.json and images)"
_TASK = (
    "Answer the question about the image. Look at the image closely, think step by step, and end with a line of the "
    "form 'Answer: (X) the option'."
)
_EVALUATION = (
    "Evaluate the answer to this scientific question about an image without solving it yourself: whether the image was "
    "read right, whether the knowledge and the reasoning fit the question."
)
_ANSWER = re.compile(r"answer\s*:\s*(.+)", re.IGNORECASE)
_LETTER = re.compile(r"^\(?([A-J])\)?(?![A-Za-z])")


class ScienceQADataset(ImageDataset):
    """Questions with choices; those without an image are left out.

    Args:
        evaluation_api: engine of the loss.
        root: folder that holds ``scienceqa/problems.json`` and ``scienceqa/images/SPLIT/ID/image.png``.
        split: ``train``, ``val`` or ``test``.
        task_instruction: put before each question.
        evaluation_instruction: what the loss is to look at.
    """

    def __init__(
        self,
        evaluation_api: Any,
        root: str | Path | None = None,
        split: str = "test",
        task_instruction: str = _TASK,
        evaluation_instruction: str = _EVALUATION,
    ) -> None:
        super().__init__(evaluation_api, evaluation_instruction)
        self._folder = data_root(root) / "scienceqa"
        rows = read_rows(self._folder / "problems.json", _SOURCE)
        self.data = [row for row in rows if row["split"] == split and row.get("image")]
        self.task_instruction = task_instruction

    def __len__(self) -> int:
        return len(self.data)

    def question(self, index: int) -> ImageQuestion:
        """One row."""
        row = self.data[index]
        image = (self._folder / "images" / row["split"] / row["pid"] / row["image"]).read_bytes()
        choices = " ".join(f"({letter}) {choice}" for letter, choice in zip("ABCDEFGHIJ", row["choices"], strict=False))
        hint = f"\nContext: {row['hint']}" if row.get("hint") else ""
        query = f"{self.task_instruction}{hint}\nQuestion: {row['question']}\nChoices: {choices}"
        details = {name: row.get(name) for name in ("pid", "question", "choices", "hint")}
        return ImageQuestion(image, query, row["answer"], details)

    def judge(self, reply: str, row: ImageQuestion) -> Judged:
        """1 if the choice in a reply is the true one."""
        choices: list[str] = row.details["choices"]
        found = _ANSWER.findall(reply)
        text = (found[-1] if found else reply).strip()
        letter = _LETTER.match(text)
        place = ord(letter.group(1)) - ord("A") if letter else _nearest(text, choices)
        right = place == row.answer
        return int(right), {"extracted_answer": text, "normalized_answer": place, "true_false": right}


def _nearest(text: str, choices: list[str]) -> int | None:
    lowered = [choice.lower() for choice in choices]
    nearest = difflib.get_close_matches(text.lower(), lowered, n=1)
    return lowered.index(nearest[0]) if nearest else None
