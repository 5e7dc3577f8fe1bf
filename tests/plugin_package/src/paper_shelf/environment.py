"""An agent searches papers, collects evidence and answers a question with it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel

from envs import Environment, TaskDataset
from textgrad_agents.messages import Message, Messages
from textgrad_agents.tools import Tool

PAPERS = {
    "On ducks": "Ducks float because their feathers hold air. Their feet are webbed.",
    "On stones": "Stones sink because they are denser than water.",
}
QUESTIONS = (("Why do ducks float?", "feathers hold air"), ("Why do stones sink?", "denser than water"))


class ShelfState(BaseModel):
    """What was collected so far."""

    evidence: list[str] = []
    answer: str | None = None


class PaperShelf(Environment[ShelfState]):
    """A question about the papers on the shelf; an answer is right if the evidence for it was collected."""

    state: ShelfState

    def __init__(self, question: str, expected: str = "") -> None:
        self.question = question
        self.expected = expected

    @classmethod
    def from_task(cls, task: str) -> Self:
        return cls(question=task)

    async def get_id(self) -> str:
        return self.question

    async def reset(self) -> tuple[Messages, list[Tool]]:
        def search(word: str) -> list[str]:
            """Find papers with a word in them.

            Args:
                word: the word
            """
            return [title for title, text in PAPERS.items() if word.lower() in f"{title} {text}".lower()]

        def gather_evidence(title: str, state: ShelfState) -> str:
            """Read a paper and keep what it says.

            Args:
                title: the title of the paper
                state: what was collected so far
            """
            state.evidence.append(PAPERS[title])
            return PAPERS[title]

        def answer(text: str, state: ShelfState) -> str:
            """Answer the question and end.

            Args:
                text: the answer
                state: what was collected so far
            """
            state.answer = text
            return "Thank you."

        self.tools = [Tool.from_function(function) for function in (search, gather_evidence, answer)]
        return [Message(content=self.question)], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        if not action.tool_calls:
            return self.default_no_tool_calls_response
        answers = await self.exec_tool_calls(action, concurrency=False, handle_tool_exc=True, state=self.state)
        found = bool(self.expected) and any(self.expected in text for text in self.state.evidence)
        right = found and self.state.answer is not None and self.expected in self.state.answer
        return [*answers], float(right), self.state.answer is not None, False


class PaperShelfDataset(TaskDataset[PaperShelf]):
    """The questions that the package knows."""

    def __len__(self) -> int:
        return len(QUESTIONS)

    def get_new_env_by_idx(self, idx: int) -> PaperShelf:
        return PaperShelf(*QUESTIONS[idx])
