"""Questions with options, and how answers to them are graded."""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from envs.grading.answers import extract_answer
from envs.grading.shuffling import RandomAnnotation, shuffle
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.seeds import derive_seed

_LETTER = re.compile(r"\(?([A-Za-z])[).:]?")


class MultipleChoiceQuestion(BaseModel):
    """A question with options.

    The ideal answer and the unsure answer become options if they are none. Options are shuffled once, when the question
    is made; what is written to a file is the result, without the seed.
    """

    model_config = ConfigDict(extra="forbid")

    QUESTION_PROMPT_TEMPLATE: ClassVar[str] = "{question_id}: {question}"
    MC_QUESTION_PROMPT_TEMPLATE: ClassVar[str] = QUESTION_PROMPT_TEMPLATE + "\n\nOptions:\n{options}"
    DEFAULT_UNSURE_OPTION: ClassVar[str] = "Insufficient information to answer this question"
    SEED_USING_QUESTION: ClassVar[Literal["SEED_USING_QUESTION"]] = "SEED_USING_QUESTION"

    question: str = Field(description="the question, without its options")
    question_id: str | UUID = Field(default="Q", description="what the prompt calls the question")
    prompt_without_id: bool = Field(default=False, description="leave the identifier out of the prompt")
    prompt_without_options: bool = Field(default=False, description="leave the options out of the prompt")
    options: Sequence[str] = Field(description="what can be chosen")
    ideal_answer: str = Field(description="the right option")
    unsure_answer: str | None = Field(
        default=DEFAULT_UNSURE_OPTION, description="the option that says one does not know; None for no such option"
    )
    shuffle_seed: int | Annotated[random.Random, RandomAnnotation()] | Literal["SEED_USING_QUESTION"] | None = Field(
        default=None,
        description="the seed of the options' order, a generator, or SEED_USING_QUESTION for one made of the question; "
        "None keeps the order. One number for many questions of the same length puts all right answers in one place",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = [answer for answer in (self.ideal_answer, self.unsure_answer) if answer]
        self.options = [*self.options, *(answer for answer in needed if answer not in self.options)]
        if len(self.options) > len(string.ascii_uppercase):
            raise ValueError(f"a question has at most 26 options, which letters name, not {len(self.options)}")
        seed = self.shuffle_seed
        if seed is not None:
            self.options = shuffle(
                self.options, derive_seed("options", self.question) if isinstance(seed, str) else seed
            )
            self.shuffle_seed = None  # a copy is not shuffled again
        return self

    @property
    def ideal_answer_index(self) -> int:
        """Where the right option stands."""
        return self.options.index(self.ideal_answer)

    @property
    def ideal_answer_letter(self) -> str:
        """The letter of the right option."""
        return string.ascii_uppercase[self.ideal_answer_index]

    @property
    def unsure_answer_index(self) -> int | None:
        """Where the option stands that says one does not know."""
        return self.options.index(self.unsure_answer) if self.unsure_answer else None

    @property
    def unsure_answer_letter(self) -> str | None:
        """The letter of the option that says one does not know."""
        return None if self.unsure_answer_index is None else string.ascii_uppercase[self.unsure_answer_index]

    @property
    def question_prompt(self) -> str:
        """The question as a model is asked."""
        fields: dict[str, Any] = {
            "question": self.question,
            "question_id": "Q" if self.prompt_without_id else self.question_id,
        }
        if self.prompt_without_options:
            return self.QUESTION_PROMPT_TEMPLATE.format(**fields)
        lines = [f"{letter}) {option}" for letter, option in zip(string.ascii_uppercase, self.options, strict=False)]
        return self.MC_QUESTION_PROMPT_TEMPLATE.format(options="\n".join(lines), **fields)

    @staticmethod
    def split_options(options: str) -> list[str]:
        """Options that a data set holds as one text: a JSON list, or texts between commas."""
        try:
            read: Any = json.loads(options)
        except (ValueError, RecursionError):
            read = None
        if isinstance(read, list):
            return [str(option) for option in read]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return [option.strip("'[ ]\"") for option in options.split(",")]

    async def grade(
        self, proposed_answer: str, engine: Engine | None = None
    ) -> tuple[MultipleChoiceEvaluation, str | None]:
        """Grade an answer: the text of an option, its letter, or a sentence.

        Args:
            proposed_answer: the answer.
            engine: a model that reads sentences; without one, a sentence chooses the one option that it contains.

        Returns:
            How it was, and the option that was chosen, if one was.

        Raises:
            MalformedMessageError: the model's reply is none of the options, asked twice.
        """
        chosen = self._by_letter(proposed_answer) or await extract_answer(proposed_answer, self.options, engine)
        return MultipleChoiceEvaluation.from_answer(chosen, self), chosen

    def _by_letter(self, answer: str) -> str | None:
        letter = _LETTER.fullmatch(answer.strip())
        texts = {option.strip().casefold() for option in self.options}
        if letter is None or answer.strip().casefold() in texts:
            return None
        place = string.ascii_uppercase.index(letter[1].upper())
        return self.options[place] if place < len(self.options) else None


class MultipleChoiceEvaluation(StrEnum):
    """How an answer to a question with options was."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNSURE = "unsure"

    @classmethod
    def from_answer(cls, extracted_answer: str | None, question: MultipleChoiceQuestion) -> MultipleChoiceEvaluation:
        """The evaluation of an option that was chosen, or of none."""
        if extracted_answer == question.ideal_answer:
            return cls.CORRECT
        return cls.UNSURE if extracted_answer and extracted_answer == question.unsure_answer else cls.INCORRECT

    @classmethod
    def calculate_accuracy_precision(cls, evaluations: Iterable[str]) -> tuple[float, float]:
        """The share of right answers among all, and among those that were sure (not a number if none was).

        Raises:
            ConfigError: there are no evaluations.
        """
        read: list[MultipleChoiceEvaluation] = [cls(evaluation) for evaluation in evaluations]
        if not read:
            raise ConfigError("accuracy and precision of no answers do not exist; pass at least one evaluation")
        correct, sure = read.count(cls.CORRECT), len(read) - read.count(cls.UNSURE)
        return correct / len(read), correct / sure if sure else float("nan")
