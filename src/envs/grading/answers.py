"""Grading one answer.

What an agent answered is data: it is compared, or shown to a model inside a JSON object, and never evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from envs.numbers import read_number
from textgrad_agents.errors import ConfigError, MalformedMessageError
from textgrad_agents.interfaces import Engine, GenerateOptions
from textgrad_agents.messages import assistant, system, user
from textgrad_agents.validation import short

T = TypeVar("T")

MAX_SCORE = 10

_YES_OR_NO = "Reply with the one word YES or NO."
_SCORE = f"Reply with one number from 0 to {MAX_SCORE} and nothing else."
_OPTION = "Reply with the text of an option, word for word, or with NO OPTION, and nothing else."


class EvalAnswerMode(StrEnum):
    """How an answer is graded.

    EXACT: the texts are the same but for case and space around them. CONTAINS: the correct answer is part of the
    proposed one. NUMBER: both are the same number. LLM: a model says whether they agree. LLM_SCORE: a model gives a
    score; the correct answer is the rubric.
    """

    EXACT = "exact"
    CONTAINS = "contains"
    NUMBER = "number"
    LLM = "llm"
    LLM_SCORE = "llm-score"


async def eval_answer(
    proposed: str,
    correct: str,
    question: str | None = None,
    eval_mode: EvalAnswerMode | str = EvalAnswerMode.CONTAINS,
    engine: Engine | None = None,
) -> float:
    """Grade an answer.

    Args:
        proposed: the answer.
        correct: the right one, or for `LLM_SCORE` the rubric.
        question: the question, which a model needs.
        eval_mode: how it is graded.
        engine: the model that is asked, by `LLM` and `LLM_SCORE`.

    Returns:
        1.0 if it is right, else 0.0; for `LLM_SCORE` anything between.

    Raises:
        ConfigError: there is no such mode, or something is missing that it needs.
        MalformedMessageError: the model's reply is no grade, asked twice.
    """
    mode = _mode(eval_mode)
    if mode in (EvalAnswerMode.LLM, EvalAnswerMode.LLM_SCORE):
        if question is None or engine is None:
            raise ConfigError(f"grading with {mode.value!r} asks a model: pass the question and an engine")
        data = {"question": question, "proposed answer": proposed}
        if mode is EvalAnswerMode.LLM:
            return await _ask(engine, "judge", {**data, "correct answer": correct}, _YES_OR_NO, _read_verdict)
        return await _ask(engine, "rate", {**data, "rubric": correct}, _SCORE, _read_score)
    right, given = correct.strip().casefold(), proposed.strip().casefold()
    if not right:
        raise ConfigError("there is no correct answer to compare with; an empty text would agree with everything")
    if mode is EvalAnswerMode.NUMBER:
        number = read_number(right)
        if number is None:
            raise ConfigError(f"the correct answer {short(correct)} is no number; write it like 1234.5 or 3/4")
        return float(read_number(given) == number)
    return float(given == right if mode is EvalAnswerMode.EXACT else right in given)


async def extract_answer(proposed_answer: str, options: Sequence[str], engine: Engine | None = None) -> str | None:
    """Which of `options` an answer chooses.

    Args:
        proposed_answer: the answer.
        options: what can be chosen.
        engine: a model that reads answers which are not the text of an option. Without one, such an answer chooses the
            one option that it contains.

    Returns:
        The option, or None if it chooses none, or several.

    Raises:
        MalformedMessageError: the model's reply is none of the options, asked twice.
    """
    by_text = {option.strip().casefold(): option for option in reversed(options)}
    given = proposed_answer.strip().casefold()
    if not given:
        return None
    if given in by_text:
        return by_text[given]
    if engine is None:
        return _only_one_contained(given, by_text)

    def read(reply: str) -> tuple[str | None] | None:
        said = reply.strip().casefold()
        return (by_text.get(said),) if said in by_text or said == "no option" else None

    data = {"options": list(options), "proposed answer": proposed_answer}
    (option,) = await _ask(engine, "match", data, _OPTION, read)
    return option


def _mode(name: str) -> EvalAnswerMode:
    try:
        return EvalAnswerMode(name)
    except ValueError:
        known = ", ".join(EvalAnswerMode)
        raise ConfigError(f"there is no way to grade called {name!r}; known are {known}") from None


def _only_one_contained(given: str, by_text: Mapping[str, str]) -> str | None:
    found = [text for text in by_text if text and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", given)]
    longest = [text for text in found if not any(text != other and text in other for other in found)]
    return by_text[longest[0]] if len(longest) == 1 else None


async def _ask(engine: Engine, task: str, data: Mapping[str, Any], form: str, read: Callable[[str], T | None]) -> T:
    """What a model says of `data`; it is reminded of the form once."""
    messages = [system(_prompt(task)), user(json.dumps(data, indent=1, ensure_ascii=False))]
    options = GenerateOptions(temperature=0.0)
    reply = (await engine.generate(messages, options)).text
    value = read(reply)
    if value is None:
        messages += [assistant(reply), user(f"That is not what was asked for. {form}")]
        reply = (await engine.generate(messages, options)).text
        value = read(reply)
    if value is None:
        raise MalformedMessageError(f"{engine.name} was asked to grade an answer and said {short(reply)}. {form}")
    return value


@cache
def _prompt(name: str) -> str:
    return (Path(__file__).parent / "prompts" / f"{name}.md").read_text("utf-8").strip()


def _read_verdict(reply: str) -> float | None:
    return {"yes": 1.0, "no": 0.0}.get(reply.strip(" \n\t.\"'*").casefold())


def _read_score(reply: str) -> float | None:
    number = read_number(reply)
    return float(number / MAX_SCORE) if number is not None and 0 <= number <= MAX_SCORE else None
