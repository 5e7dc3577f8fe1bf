"""MathVista: mathematics in pictures."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from textgrad_agents.compat.bridge import Content, as_engine, ask
from textgrad_agents.compat.textgrad.tasks.base import data_root, read_rows
from textgrad_agents.compat.textgrad.tasks.multimodal.base import ImageDataset, ImageQuestion, Judged

_SOURCE = "https://github.com/lupantech/MathVista (data/testmini.json and images)"
_TASK = "Look at the image closely, think step by step, and give the final answer in the last sentence."
_EVALUATION = (
    "Evaluate the answer to this question about an image without solving it yourself: whether the image was read "
    "right, whether the reasoning holds, and whether the answer has the form that is asked for."
)
_EXTRACT = (
    "Copy the final answer from the response below and write nothing else: the letter of a choice in brackets, or the "
    "number, or the list, as the question asks.\n\nQuestion: {query}\n\nResponse: {reply}\n\nFinal answer: "
)


class MathVistaDataset(ImageDataset):
    """Questions with choices or numbers as answers; free replies are read with the help of the evaluation engine.

    Args:
        evaluation_api: engine of the loss and of reading replies.
        root: folder that holds ``mathvista/SPLIT.json`` and ``mathvista/images/``.
        split: name of the file.
        task_instruction: put before each question.
        evaluation_instruction: what the loss is to look at.
    """

    def __init__(
        self,
        evaluation_api: Any,
        root: str | Path | None = None,
        split: str = "testmini",
        task_instruction: str = _TASK,
        evaluation_instruction: str = _EVALUATION,
    ) -> None:
        super().__init__(evaluation_api, evaluation_instruction)
        self._folder = data_root(root) / "mathvista"
        self.data = read_rows(self._folder / f"{split}.json", _SOURCE)
        self.task_instruction = task_instruction

    def __len__(self) -> int:
        return len(self.data)

    def question(self, index: int) -> ImageQuestion:
        """One row."""
        row = self.data[index]
        image = (self._folder / row["image"]).read_bytes()
        names = ("pid", "question_type", "answer_type", "precision", "choices", "query")
        details = {name: row.get(name) for name in names}
        return ImageQuestion(image, f"{self.task_instruction}\n{row['query']}", row["answer"], details)

    def judge(self, reply: str, row: ImageQuestion) -> Judged:
        """1 if the answer in a reply is the true one."""
        plain = normalize(reply, row.details)
        if plain is None:
            asked: Content = _EXTRACT.format(query=row.details["query"], reply=reply)
            plain = normalize(ask(as_engine(self.evaluation_api), asked), row.details, guess=True)
        right = plain == str(row.answer)
        return int(right), {"extraction": reply, "prediction": plain, "true_false": right}


def normalize(text: str, row: dict[str, Any], *, guess: bool = False) -> str | None:
    """The answer that `text` consists of, in the form that the row wants; None if it is none.

    Args:
        text: a reply, or the answer in it.
        row: ``question_type``, ``answer_type``, ``precision`` and ``choices`` of the question.
        guess: of choices, take the nearest if none is named.
    """
    text = text.strip()
    if row["question_type"] == "multi_choice":
        return _choice(text, row["choices"], guess)
    try:
        if row["answer_type"] == "integer":
            return str(int(float(text)))
        if row["answer_type"] == "float":
            return str(round(float(text), int(row["precision"] or 0)))
    except ValueError:
        return None
    return text or None


def _choice(text: str, choices: list[str], guess: bool) -> str | None:
    letter = re.fullmatch(r"\(?([A-Za-z])\)?[.)]?", text) or re.search(r"\(([A-Za-z])\)", text)
    place = ord(letter.group(1).upper()) - ord("A") if letter else len(choices)
    if text in choices:
        return text
    if place < len(choices):
        return choices[place]
    nearest = difflib.get_close_matches(text, choices, n=1, cutoff=0.0) if guess else []
    return nearest[0] if nearest else None
