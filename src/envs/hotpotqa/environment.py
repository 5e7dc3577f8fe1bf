"""A question, pages to search, and an answer.

The questions are those of Yang et al. 2018 (arXiv 1809.09600), the tools those of Yao et al. 2023 (arXiv 2210.03629).
"""

from __future__ import annotations

import re
import string
from typing import ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from envs.environment import Environment
from envs.grading import EvalAnswerMode, eval_answer
from envs.hotpotqa.pages import Page, PageSource, Similar
from envs.hotpotqa.wikipedia import WikipediaPages
from envs.rendering import Frame
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.messages import Message, Messages, ToolRequestMessage
from textgrad_agents.tools import Tool

_FIRST_SENTENCES = 5
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_BY_MODEL = (EvalAnswerMode.LLM, EvalAnswerMode.LLM_SCORE)
_OVER = "The episode is over."


class HotPotQAEnvConfig(BaseModel):
    """Rewards, and how answers are graded."""

    model_config = ConfigDict(extra="forbid")

    correct_reward: float = Field(default=1.0, description="for the right answer")
    incorrect_reward: float = Field(default=0.0, description="for another one; a score between gets a part")
    tool_failure_reward: float = Field(default=0.0, description="for an action without a tool call")
    evaluation_mode: EvalAnswerMode = Field(default=EvalAnswerMode.CONTAINS, description="how answers are graded")


class HotPotQAEnvState(BaseModel):
    """Where the agent is.

    Attributes:
        done: an answer was submitted.
        steps: actions so far.
        reward: of this action.
        answer: what was submitted.
        page: the text of the page that was found last.
        last_lookup: the keyword that was looked up last on it.
        lookup_results: the sentences with that keyword.
        lookup_index: how many of them were shown.
    """

    done: bool = False
    steps: int = 0
    reward: float = 0.0
    answer: str | None = None
    page: str | None = None
    last_lookup: str | None = None
    lookup_results: list[str] = []
    lookup_index: int = 0


class HotPotQAEnv(Environment[HotPotQAEnvState]):
    """A question; an episode ends when an answer is submitted. Calls of one action happen one after the other.

    Args:
        question_id: its identifier.
        question: what is asked.
        correct_answer: the right answer; None if it is not known: nothing gets a reward.
        correct_reward, incorrect_reward, tool_failure_reward, evaluation_mode: see `HotPotQAEnvConfig`.
        pages: where pages come from; live Wikipedia if nothing is given.
        engine: the model that grades, if `evaluation_mode` asks one.

    Raises:
        ConfigError: the correct answer is empty, or a model shall grade and there is none.
    """

    State: ClassVar = HotPotQAEnvState

    def __init__(
        self,
        question_id: str | UUID | None,
        question: str,
        correct_answer: str | float | None,
        correct_reward: float = 1.0,
        incorrect_reward: float = 0.0,
        tool_failure_reward: float = 0.0,
        evaluation_mode: EvalAnswerMode | str = EvalAnswerMode.CONTAINS,
        pages: PageSource | None = None,
        engine: Engine | None = None,
    ) -> None:
        self.question_id = question_id
        self.question = question
        self.correct_answer = None if correct_answer is None else str(correct_answer)
        self.correct_reward = correct_reward
        self.incorrect_reward = incorrect_reward
        self.tool_failure_reward = tool_failure_reward
        self.evaluation_mode = EvalAnswerMode(evaluation_mode)
        self.pages = WikipediaPages() if pages is None else pages
        self.engine = engine
        if self.correct_answer is not None and not self.correct_answer.strip():
            raise ConfigError(f"question {question!r:.80} has an empty answer, with which everything would agree")
        if self.evaluation_mode in _BY_MODEL and engine is None:
            raise ConfigError(f"grading with {self.evaluation_mode.value!r} asks a model: pass an engine")

    @classmethod
    def from_task(cls, task: str) -> Self:
        """The environment for a question whose answer is not known."""
        return cls(question_id=None, question=task, correct_answer=None)

    async def get_id(self) -> str:
        """The question's identifier.

        Raises:
            ConfigError: there is none.
        """
        if self.question_id is None:
            raise ConfigError("No question ID was configured.")
        return str(self.question_id)

    async def reset(self) -> tuple[Messages, list[Tool]]:
        """Ask the question."""
        self.state = self.State()
        self.tools = [Tool.from_function(function) for function in (self.search, self.lookup, self.submit_answer)]
        return [Message(content=f"Question: {self.question}")], self.tools

    async def step(self, action: Message) -> tuple[Messages, float, bool, bool]:
        """Make the calls of `action`."""
        if not isinstance(action, ToolRequestMessage):
            return self.default_no_tool_calls_response
        self.state.steps += 1
        if not action.tool_calls:
            names = ", ".join(tool.info.name for tool in self.tools)
            said = Message(content=f"Must call one of the provided tools ({names}).")
            return [said], self.tool_failure_reward, self.state.done, False
        self.state.reward = 0.0
        answers = await self.exec_tool_calls(action, concurrency=False)
        return [*answers], self.state.reward, self.state.done, False

    async def search(self, entity: str) -> str:
        """Search Wikipedia for the page about an entity and read its beginning.

        Args:
            entity: What the page is about, as its title would say it.
        """
        if not entity.strip():
            return "Search failed. No entity was provided."
        found = await self.pages.find(entity.strip())
        self.state.last_lookup = None
        if isinstance(found, Similar):
            self.state.page = None
            similar = f"Similar: {', '.join(found.titles)}." if found.titles else "There is nothing similar."
            return f"Search for {entity!r} found no page. {similar}"
        self.state.page = found.text
        beginning = " ".join(found.sentences()[:_FIRST_SENTENCES])
        return beginning or f"The page {found.title!r} is empty."

    def lookup(self, keyword: str) -> str:
        """Find the next sentence with a keyword on the page that was found last.

        Args:
            keyword: What to look for. The same keyword again gives the next sentence with it.
        """
        state = self.state
        if not keyword.strip():
            return "Lookup failed. No keyword was provided."
        if not state.page:
            return "Lookup failed. Search for a page first."
        if state.last_lookup != keyword:
            wanted = keyword.strip().casefold()
            sentences = Page("", state.page).sentences()
            state.lookup_results = [sentence for sentence in sentences if wanted in sentence.casefold()]
            state.last_lookup, state.lookup_index = keyword, 0
        if state.lookup_index >= len(state.lookup_results):
            return "No more results."
        state.lookup_index += 1
        number = f"(Result {state.lookup_index} / {len(state.lookup_results)})"
        return f"{number} {state.lookup_results[state.lookup_index - 1]}"

    async def submit_answer(self, answer: str) -> str:
        """Submit the answer to the question. This ends the episode.

        Args:
            answer: The answer to the question.
        """
        if self.state.done:  # the first answer counts, however many are submitted at once
            return _OVER
        self.state.done = True
        self.state.answer = answer
        self.state.reward += await self.calculate_answer_reward(answer)
        return "Finished."

    async def calculate_answer_reward(self, answer: str | None) -> float:
        """The reward of an answer.

        Raises:
            MalformedMessageError: the model that grades said nothing that is a grade.
        """
        if self.correct_answer is None:
            return 0.0
        score = await self._score(answer, self.correct_answer) if answer and answer.strip() else 0.0
        return self.incorrect_reward + score * (self.correct_reward - self.incorrect_reward)

    async def _score(self, answer: str, right: str) -> float:
        if self.evaluation_mode is EvalAnswerMode.CONTAINS:  # in whole words: "no" is no part of "I do not know"
            return float(f" {normalize_answer(right)} " in f" {normalize_answer(answer)} ")
        if self.evaluation_mode is EvalAnswerMode.EXACT:
            answer, right = normalize_answer(answer), normalize_answer(right)
        return await eval_answer(answer, right, self.question, self.evaluation_mode, self.engine)

    def export_frame(self) -> Frame:
        """The question, and how far the agent came."""
        told = self.state.model_dump(include={"steps", "done", "reward", "answer"})
        return Frame(info={"question_id": str(self.question_id), "question": self.question, **told})


def normalize_answer(answer: str) -> str:
    """An answer without case, punctuation, articles and superfluous space; if nothing is left, only without space."""
    words = _ARTICLE.sub(" ", answer.lower().translate(_NO_PUNCTUATION)).split()
    return " ".join(words) or answer.strip().lower()
