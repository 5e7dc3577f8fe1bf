"""Where a value is made of given words, the built-in optimizer tries each of them, and only those."""

import asyncio
import json
import re

import pytest

from textgrad_agents import TGD, Gradient, RulebookEngine, Variable
from textgrad_agents.engines.rulebook.words import Words, allowed_words, next_try
from textgrad_agents.errors import ConfigError
from textgrad_agents.optim.constraints import AllowedWords

WORDS = AllowedWords(["brief:", "solve:", "steps:"])


def search(accepted, *, start="solve:", steps=5, checks=(WORDS,)):
    """The values proposed one after the other; `accepted` are taken."""
    prompt = Variable(start, role_description="system prompt", name="prompt")
    optimizer = TGD([prompt], engine=RulebookEngine(), checks=list(checks), momentum=4)
    proposed = []
    for _ in range(steps):
        prompt.set_gradients([Gradient(text="3 of 8 answers were right.")])
        proposals = asyncio.run(optimizer.propose())
        proposed.append(str(proposals[0].new))
        if proposals[0].new in accepted:
            optimizer.apply(proposals)
        else:
            optimizer.reject(proposals, "not better")
    return proposed, prompt.value


def test_every_word_is_tried_and_the_good_one_kept():
    proposed, end = search({"steps:"})
    assert proposed[:2] == ["brief:", "steps:"]
    assert end == "steps:"
    assert proposed[3:] == ["steps:", "steps:"]  # nothing is left to try


def test_nothing_is_tried_twice():
    proposed, end = search(set())
    assert proposed == ["brief:", "steps:", "solve:", "solve:", "solve:"]
    assert end == "solve:"


def test_more_words_at_once():
    allowed = Words(("a", "b"), 2)
    assert next_try("a", allowed, [])[0] == "b"
    assert next_try("a", allowed, [{"proposal": "b"}])[0] == "a b"
    assert next_try("a b", allowed, [])[0] == "b"


def test_words_of_the_rule_are_read_back():
    assert allowed_words(["Be brief.", WORDS.rule("")]) == Words(("brief:", "solve:", "steps:"), 1)
    assert allowed_words(["Use only these words, at most 1 of them: [", 3]) is None


@pytest.mark.parametrize(("value", "problem"), [("hello", "hello"), ("", "0 words"), ("brief: steps:", "2 words")])
def test_other_values_are_refused(value, problem):
    assert problem in str(WORDS.violation("solve:", value))


def test_allowed_values_pass():
    assert WORDS.violation("solve:", "steps:") is None


@pytest.mark.parametrize("words", [[], "abc", ["two words"], [""]])
def test_unusable_words(words):
    with pytest.raises(ConfigError, match="AllowedWords"):
        AllowedWords(words)


def test_the_rule_shows_its_words_as_json():
    assert json.loads(re.search(r"\[.*\]", WORDS.rule(""))[0]) == [*WORDS.words]
