"""Problems that are made up: exact answers, checked by a second account of the same text."""

from __future__ import annotations

import asyncio
import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import TaskConfig
from envs.math_tasks import ArithmeticDataset, GeneratedDataset, WordProblemDataset
from envs.math_tasks.problems import LEVELS
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import ToolRequestMessage
from textgrad_agents.tools import ToolCall

KINDS: list[type[GeneratedDataset]] = [ArithmeticDataset, WordProblemDataset]
OPERATIONS = {1: 1, 2: 2, 3: 2, 4: 3, 5: 5}


def problems(kind: type[GeneratedDataset], **settings: Any) -> list[tuple[str, Fraction]]:
    dataset = kind(**{"size": 60} | settings)
    made = [dataset.get_new_env_by_idx(index) for index in range(len(dataset))]
    return [(env.problem, env.answer) for env in made if env.answer is not None]


@given(level=st.sampled_from(LEVELS), seed=st.integers(0, 10**6))
def test_an_expression_has_the_value_that_is_the_answer(level: int, seed: int) -> None:
    ((text, answer),) = problems(ArithmeticDataset, level=level, seed=seed, size=1)
    expression = text.removeprefix("What is ").partition("?")[0]
    exact = re.sub(r"\d+", r"Fraction(\g<0>)", expression)
    assert eval(exact, {"Fraction": Fraction}) == answer
    assert len(re.findall(r"[-+*/]", expression)) == OPERATIONS[level]
    assert answer.denominator == 1 or level == 5


def retold(text: str) -> int:
    """The number at the end of a story that begins with a known number, from its sentences alone."""
    first, *events, _ = re.split(r"(?<=[.?]) ", text)
    count = int(re.findall(r"\d+", first)[0])
    share = {"half": 2, "a third": 3, "a quarter": 4}
    times = {"brings as": 1, "brings twice": 2, "brings three": 3}
    for event in events:
        numbers = [int(number) for number in re.findall(r"\d+", event)]
        match event:
            case _ if " finds " in event:
                count += numbers[0]
            case _ if " gives " in event:
                count -= numbers[0]
            case _ if " buys " in event:
                count += numbers[0] * numbers[1]
            case _ if " uses up " in event:
                count -= numbers[0] * numbers[1]
            case _ if " loses " in event:
                lost = Fraction(count, next(part for word, part in share.items() if word in event))
                assert lost.denominator == 1
                count -= int(lost)
            case _ if " brings " in event:
                count += count * next(factor for word, factor in times.items() if word in event)
            case _ if " keeps one box" in event:
                assert count % numbers[0] == 0
                count //= numbers[0]
            case _:
                pytest.fail(event)
        assert count > 0
    return count


@given(level=st.sampled_from(LEVELS), seed=st.integers(0, 10**6))
def test_a_story_has_the_end_that_is_the_answer(level: int, seed: int) -> None:
    ((text, answer),) = problems(WordProblemDataset, level=level, seed=seed, size=1)
    if level == 5:  # told backwards: with the answer for a beginning, the story has the end that it tells
        text, end = re.fullmatch(r"(.*) Now \w+ has (\d+) \w+\. (?:.*)", text).groups()  # type: ignore[union-attr]
        assert retold(text.replace("some", str(answer), 1) + " How many?") == int(end)
    else:
        assert retold(text) == answer
    assert text.count(".") == level + 1


@pytest.mark.parametrize("kind", KINDS)
class TestDatasets:
    def test_the_same_seed_gives_the_same_problems(self, kind: type[GeneratedDataset]) -> None:
        assert problems(kind, seed=1) == problems(kind, seed=1)
        assert problems(kind, seed=1) != problems(kind, seed=2)

    def test_no_problem_is_in_two_splits(self, kind: type[GeneratedDataset]) -> None:
        for level in LEVELS:
            seen = [
                {text for text, _ in problems(kind, split=split, level=level, seed=seed, size=40)}
                for split in ("train", "eval", "test")
                for seed in (0, 1)
            ]
            train, held_out, test = seen[0] | seen[1], seen[2] | seen[3], seen[4] | seen[5]
            assert not train & held_out
            assert not train & test
            assert not held_out & test

    def test_levels_in_turn(self, kind: type[GeneratedDataset]) -> None:
        dataset = kind(size=7)
        ids = [asyncio.run(dataset.get_new_env_by_idx(index).get_id()) for index in range(7)]
        assert [re.findall(r"level(\d)", name) for name in ids] == [[str(level)] for level in (1, 2, 3, 4, 5, 1, 2)]
        assert len(set(ids)) == 7

    def test_indices(self, kind: type[GeneratedDataset]) -> None:
        dataset = kind(size=3)
        assert dataset.get_new_env_by_idx(-1).problem == dataset.get_new_env_by_idx(2).problem
        with pytest.raises(IndexError):
            dataset.get_new_env_by_idx(3)
        assert [len(batch) for batch in dataset.iter_batches(2)] == [2, 1]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"split": "val"}, "train, eval or test, not 'val'"),
            ({"level": 6}, "from 1 to 5, not 6"),
            ({"level": "hard"}, "from 1 to 5, not 'hard'"),
            ({"size": 0}, "at least 1, not 0"),
            ({"config": {"tolerance": 1}}, "no field tolerance"),
        ],
    )
    def test_settings_that_are_wrong(self, kind: type[GeneratedDataset], settings: Any, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            kind(**settings)

    def test_only_exact_answers_are_right(self, kind: type[GeneratedDataset]) -> None:
        async def submitted(answer: Fraction) -> float:
            env = kind(level=5, size=1).get_new_env_by_idx(0)
            await env.reset()
            call = ToolCall.from_name("submit_answer", answer=str(answer))
            return (await env.step(ToolRequestMessage(tool_calls=[call])))[1]

        ((_, answer),) = problems(kind, level=5, size=1)
        assert asyncio.run(submitted(answer)) == 1
        assert asyncio.run(submitted(answer + Fraction(1, 10**6))) == 0


def test_as_entries_of_a_config() -> None:
    config = TaskConfig(
        name="arithmetic",
        task_kwargs={"level": 2, "size": 5},
        train_kwargs={"split": "train"},
        test_kwargs={"split": "test", "config": {"calculator": False}},
    )
    assert len(config.make_dataset("train")) == 5
    assert not config.make_dataset("test").get_new_env_by_idx(0).config.calculator
    assert isinstance(TaskConfig(name="word_problems").make_dataset("train"), WordProblemDataset)
