"""Questions with options."""

from __future__ import annotations

import asyncio
import json
import math
import random
import subprocess
import sys
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from envs.grading import MultipleChoiceEvaluation, MultipleChoiceQuestion, RandomAnnotation, shuffle
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError

UNSURE = MultipleChoiceQuestion.DEFAULT_UNSURE_OPTION


def question(**fields: Any) -> MultipleChoiceQuestion:
    given = {"question": "What grows here?", "options": ["moss", "fern"], "ideal_answer": "ivy"} | fields
    return MultipleChoiceQuestion(**given)


def test_needed_options_are_added_and_the_prompt_lists_them() -> None:
    asked = question()
    assert list(asked.options) == ["moss", "fern", "ivy", UNSURE]
    assert asked.question_prompt == f"Q: What grows here?\n\nOptions:\nA) moss\nB) fern\nC) ivy\nD) {UNSURE}"
    assert (asked.ideal_answer_letter, asked.unsure_answer_letter) == ("C", "D")
    there = question(options=["ivy", "no idea"], unsure_answer="no idea")
    assert list(there.options) == ["ivy", "no idea"]
    sure = question(unsure_answer=None)
    assert list(sure.options) == ["moss", "fern", "ivy"]
    assert sure.unsure_answer_letter is None


def test_prompts_may_leave_things_out() -> None:
    assert question(question_id="garden-7").question_prompt.startswith("garden-7: What")
    assert question(question_id="garden-7", prompt_without_id=True).question_prompt.startswith("Q: What")
    assert question(prompt_without_options=True).question_prompt == "Q: What grows here?"


def test_the_same_seed_gives_the_same_order_and_copies_keep_it() -> None:
    one, other = question(shuffle_seed=3), question(shuffle_seed=3)
    assert one == other
    assert sorted(one.options) == sorted(question().options)
    assert one.shuffle_seed is None
    assert MultipleChoiceQuestion(**one.model_dump()) == one
    assert MultipleChoiceQuestion.model_validate_json(one.model_dump_json()) == one
    assert len({tuple(question(shuffle_seed=seed).options) for seed in range(20)}) > 5
    generator = random.Random(5)
    assert len({tuple(question(shuffle_seed=generator).options) for _ in range(20)}) > 5


def test_an_order_made_of_the_question_is_the_same_in_every_process() -> None:
    seed = MultipleChoiceQuestion.SEED_USING_QUESTION
    program = (
        "from envs.grading import MultipleChoiceQuestion as Q\n"
        "fields = dict(question='What grows here?', options=['moss', 'fern'], ideal_answer='ivy')\n"
        f"print(*Q(**fields, shuffle_seed={seed!r}).options, sep='|')"
    )
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert there.strip() == "|".join(question(shuffle_seed=seed).options)
    others = {tuple(question(question=f"{n}?", shuffle_seed=seed).options) for n in range(20)}
    assert len(others) > 5


@pytest.mark.parametrize("options", [[str(n) for n in range(25)], [str(n) for n in range(27)]])
def test_letters_end_with_z(options: list[str]) -> None:
    with pytest.raises(ValidationError, match="at most 26 options"):
        question(options=options)
    assert len(question(options=options[:24]).options) == 26


@pytest.mark.parametrize(
    ("answer", "evaluation", "option"),
    [
        ("ivy", "correct", "ivy"),
        ("C", "correct", "ivy"),
        (" (c) ", "correct", "ivy"),
        ("C.", "correct", "ivy"),
        ("It is ivy!", "correct", "ivy"),
        ("B)", "incorrect", "fern"),
        ("moss", "incorrect", "moss"),
        ("ivy or moss", "incorrect", None),
        ("E", "incorrect", None),
        ("", "incorrect", None),
        ("D", "unsure", UNSURE),
        (UNSURE.upper(), "unsure", UNSURE),
    ],
)
def test_grades_without_a_model(answer: str, evaluation: str, option: str | None) -> None:
    assert asyncio.run(question().grade(answer)) == (MultipleChoiceEvaluation(evaluation), option)


def test_an_option_that_is_a_letter_is_meant_by_that_letter() -> None:
    asked = question(options=["B", "A"], ideal_answer="A", unsure_answer=None)
    assert asyncio.run(asked.grade("A")) == (MultipleChoiceEvaluation.CORRECT, "A")


def test_grades_with_a_model() -> None:
    engine = ScriptedEngine(["Ivy", "NO OPTION"])
    assert asyncio.run(question().grade("Hedera", engine)) == (MultipleChoiceEvaluation.CORRECT, "ivy")
    assert asyncio.run(question().grade("who knows", engine)) == (MultipleChoiceEvaluation.INCORRECT, None)
    assert engine.calls[0].messages[1].text.count("ivy") == 1  # the model is not told which one is right


@pytest.mark.parametrize(
    ("evaluations", "accuracy", "precision"),
    [
        (["correct"] * 3, 1, 1),
        (["correct", "correct", "unsure"], 2 / 3, 1),
        ([MultipleChoiceEvaluation.CORRECT, "unsure", "incorrect"], 1 / 3, 1 / 2),
        (["incorrect"], 0, 0),
    ],
)
def test_accuracy_and_precision(evaluations: list[str], accuracy: float, precision: float) -> None:
    assert MultipleChoiceEvaluation.calculate_accuracy_precision(evaluations) == (accuracy, precision)


def test_accuracy_and_precision_at_the_edge() -> None:
    accuracy, precision = MultipleChoiceEvaluation.calculate_accuracy_precision(["unsure"])
    assert accuracy == 0
    assert math.isnan(precision)
    with pytest.raises(ConfigError, match="at least one"):
        MultipleChoiceEvaluation.calculate_accuracy_precision([])
    with pytest.raises(ValueError, match="wrong"):
        MultipleChoiceEvaluation.calculate_accuracy_precision(["wrong"])


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("apples, mangos", ["apples", "mangos"]),
        ('["a, b", "c"]', ["a, b", "c"]),
        ("['a', 'b']", ["a", "b"]),
        ("[1, 2]", ["1", "2"]),
        ("[" * 100_000, [""]),
    ],
)
def test_options_of_one_text(text: str, options: list[str]) -> None:
    assert MultipleChoiceQuestion.split_options(text) == options


@pytest.mark.parametrize("seed", [7, random.Random(7), np.random.default_rng(7)])
def test_shuffling_leaves_the_sequence(seed: Any) -> None:
    value = list(range(10))
    shuffled = shuffle(value, seed)
    assert value == list(range(10))
    assert sorted(shuffled) == value
    assert list(shuffled) != value


def test_shuffling_by_number_is_repeatable() -> None:
    assert shuffle("textual", 3) == shuffle("textual", 3)
    assert sorted(shuffle("textual")) == sorted("textual")


def test_a_generator_in_a_model_goes_on_where_it_was() -> None:
    class Holder(BaseModel):
        rng: Annotated[random.Random, RandomAnnotation()] | str

    assert Holder(rng="a name").rng == "a name"
    holder = Holder(rng=random.Random(5))
    copies = [Holder.model_validate_json(holder.model_dump_json()), Holder(**json.loads(holder.model_dump_json()))]
    expected = holder.rng.random()  # type: ignore[union-attr]
    assert [copy.rng.random() for copy in copies] == [expected] * 2  # type: ignore[union-attr]
    for wrong in (3, [3, [1, 2], None], None):
        with pytest.raises(ValidationError, match="state of one"):
            Holder(rng=wrong)
