"""What the datasets of questions about images share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textgrad_agents.compat.textgrad.loss import ImageQALoss
from textgrad_agents.compat.textgrad.tasks.base import Dataset
from textgrad_agents.compat.textgrad.variable import Variable

Judged = tuple[int, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ImageQuestion:
    """One question about an image.

    Attributes:
        image: the bytes of the image.
        query: what a model is asked.
        answer: the true answer, as the dataset has it.
        details: further fields of the row.
    """

    image: bytes
    query: str
    answer: Any
    details: dict[str, Any]


class ImageDataset(Dataset):
    """Rows of ``(image, query, answer, details, loss of one answer, test of one answer)``.

    Subclasses give `question` and `judge`.

    Args:
        evaluation_api: engine of the loss.
        evaluation_instruction: what the loss is to look at.
    """

    def __init__(self, evaluation_api: Any, evaluation_instruction: str) -> None:
        self.evaluation_api = evaluation_api
        self.evaluation_instruction = evaluation_instruction

    @abstractmethod
    def question(self, index: int) -> ImageQuestion:
        """One row."""

    @abstractmethod
    def judge(self, reply: str, row: ImageQuestion) -> Judged:
        """1 or 0 for a reply, and what was read in it."""

    def __getitem__(
        self, index: int
    ) -> tuple[bytes, str, Any, dict[str, Any], Callable[[Variable], Variable], Callable[[Any], Judged]]:
        """One row with its loss and its test."""
        row = self.question(index)
        loss = ImageQALoss(self.evaluation_instruction, engine=self.evaluation_api)
        image = Variable(row.image, requires_grad=False, role_description="image of the question")
        query = Variable(row.query, requires_grad=False, role_description="question about the image")

        def objective(instance: Variable) -> Variable:
            return loss(image=image, question=query, response=instance)

        def test(response: Any) -> Judged:
            return self.judge(str(getattr(response, "value", response)), row)

        return row.image, row.query, row.answer, row.details, objective, test
