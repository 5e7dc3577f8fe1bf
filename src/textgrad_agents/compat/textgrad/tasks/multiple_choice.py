"""What the multiple-choice datasets share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from textgrad_agents.compat.textgrad.loss import MultiChoiceTestTime
from textgrad_agents.compat.textgrad.tasks.answers import eval_string_based
from textgrad_agents.compat.textgrad.tasks.base import Dataset
from textgrad_agents.compat.textgrad.variable import Variable

QUERY_TEMPLATE_MULTICHOICE = """
Answer the multiple-choice question below. Think step by step, and end with a line of the form 'Answer: $LETTER'
(without the quotes), where LETTER is one of ABCD.

{Question}

A) {A}
B) {B}
C) {C}
D) {D}
""".strip()


def query(question: str, choices: Sequence[str]) -> str:
    """A question with its four choices."""
    return QUERY_TEMPLATE_MULTICHOICE.format(Question=question, **dict(zip("ABCD", choices, strict=True)))


class InstanceDataset(Dataset):
    """Rows of ``(question, answer, loss of one answer, test of one answer)``, to improve single answers with.

    Subclasses give `row` and `OBJECTIVE`.
    """

    OBJECTIVE = ""
    evaluation_api: Any

    @abstractmethod
    def row(self, index: int) -> tuple[str, str]:
        """Question and letter of the answer."""

    def __getitem__(self, index: int) -> tuple[str, str, Callable[[Variable], Variable], Callable[[Variable], float]]:
        """Question, answer, loss and test."""
        question, answer = self.row(index)
        loss = MultiChoiceTestTime(self.OBJECTIVE, engine=self.evaluation_api)

        def objective(instance: Variable) -> Variable:
            return loss(question, instance)

        def test(response: Variable) -> float:
            return eval_string_based(str(response.value), answer)

        return question, answer, objective, test

    def get_default_task_instruction(self) -> str:
        """What the task is."""
        return "Choose the right answer of a multiple-choice question."
