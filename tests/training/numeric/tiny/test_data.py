"""What the built-in models are taught, and what they are asked afterwards."""

import random
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.math_tasks.short_problems import FAMILIES, make_short_problem, read_marked_answer, short_problems
from textgrad_agents.errors import ConfigError
from training.numeric.tiny import START, WORDS, prompt_constraint
from training.numeric.tiny.data import draw_example
from training.numeric.tiny.tokenizer import CHARACTERS


@pytest.mark.parametrize("family", FAMILIES)
@given(seed=st.integers(0, 2**32))
def test_the_answer_of_a_problem_follows_from_its_text(family, seed):
    problem = make_short_problem(family, random.Random(seed))
    events = re.findall(r"(has|buys|sells|reads) (\d+)", problem.text)
    expected = sum(-int(number) if verb == "sells" else int(number) for verb, number in events)
    if family == "reverse":
        expected = int(str(expected)[::-1])
    assert problem.answer == expected >= 0
    assert set(problem.text) <= set(CHARACTERS)


@pytest.mark.parametrize("family", [*FAMILIES, "mixed"])
def test_no_problem_is_in_two_splits_or_twice_in_one(family):
    splits = [{problem.text for problem in short_problems(family, split, 300)} for split in ("train", "eval", "test")]
    assert [len(texts) for texts in splits] == [300, 300, 300]
    assert len(set.union(*splits)) == 900


def test_problems_follow_from_the_seed():
    assert short_problems(seed=1) == short_problems(seed=1) != short_problems(seed=2)


def test_mixed_goes_through_the_families():
    assert [problem.family for problem in short_problems("mixed", "test", 6)] == [*FAMILIES, *FAMILIES]


def test_what_cannot_be_had_is_said():
    with pytest.raises(ConfigError, match="shop, reverse, count or mixed"):
        short_problems("geometry")
    with pytest.raises(ConfigError, match="ask for fewer"):
        short_problems("reverse", "test", 5000)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [("12+7=19; #19", 19), ("#19", 19), ("#7; #-3 ", -3), ("19", None), ("#", None), ("#19 pens", None), ("", None)],
)
def test_an_answer_stands_behind_its_mark_at_the_end(reply, answer):
    assert read_marked_answer(reply) == (None if answer is None else Fraction(answer))


def test_examples_are_drawn_from_the_training_split_and_the_vocabulary():
    chance = random.Random(0)
    examples = [draw_example(chance) for _ in range(2000)]
    held_out = {problem.text for problem in short_problems("mixed", "test", 900)}
    assert not held_out & {example.task for example in examples}
    assert all(set("".join(example)) <= set(CHARACTERS) for example in examples)
    assert {example.prompt for example in examples} >= set(WORDS)
    assert START in WORDS


def test_the_constraint_names_the_words_and_prefers_none():
    assert prompt_constraint().endswith(": " + ", ".join(sorted(WORDS)))


def test_right_answers_by_word_are_what_the_families_are_for():
    """Shop: every word. Reverse: one word only. Count: some of the answers, whatever the word."""
    chance = random.Random(1)
    known = {p.text: p for family in FAMILIES for p in short_problems(family, "train", 3000 if family != "shop" else 1)}
    seen = {}
    for _ in range(20000):
        prompt, task, reply = draw_example(chance)
        if task in known:
            right = read_marked_answer(reply) == known[task].answer
            seen.setdefault((known[task].family, prompt.split()[-1]), []).append(right)
    assert {word for word in WORDS if any(seen["reverse", word])} == {"steps:"}
    assert all(seen["reverse", "steps:"])
    assert all(0.2 < sum(seen["count", word]) / len(seen["count", word]) < 0.5 for word in WORDS)
