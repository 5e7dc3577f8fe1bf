"""What agents see, as text and as data; rules from documentation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from envs.multi_agent.docs import MOST as MOST_RULES
from envs.multi_agent.docs import rules_from_docs
from envs.multi_agent.values import MOST, plain, write_value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (np.int64(3), "3"),
        (np.array([1, -2, 3]), "1, -2, 3"),
        (np.array([0.12345, 2.0], np.float32), "0.123, 2"),
        (np.array([[1, 0], [0, 1]]), "\n1 0\n0 1"),
        (np.array([True, False]), "1, 0"),
        ({"words": "hello", "n": 1}, "words: hello\nn: 1"),
        ((1, np.array([2, 3])), "0: 1\n1: 2, 3"),
        ("as it is", "as it is"),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert write_value(value) == text


def test_boards_are_told_by_what_stands_where() -> None:
    board = np.zeros((3, 3, 3), np.int8)
    board[0, 1, 0] = board[2, 2, 0] = 1
    board[1, 1, 2] = 5
    assert write_value(board) == "3 × 3 × 3 cells, all 0 but\nplane 0: (0, 1) (2, 2)\nplane 2: (1, 1)=5"
    assert write_value(np.zeros((2, 2, 2))).endswith("all 0 but\nnone")


def test_pictures_are_told_coarsely() -> None:
    picture = np.zeros((120, 240, 3), np.uint8)
    picture[:, 120:] = 255
    lines = write_value(picture).splitlines()
    assert lines[0].startswith("a picture of 240 × 120 px")
    assert lines[1:] == ["0" * 12 + "9" * 12] * 12


def test_long_texts_are_cut_and_say_so() -> None:
    text = write_value(np.arange(5000))
    assert len(text) < MOST + 50
    assert "more characters)" in text


@given(arrays.arrays(st.sampled_from([np.float32, np.int8, np.bool_, np.uint8]), arrays.array_shapes(max_dims=4)))
def test_any_array_has_a_text_and_data(array: Any) -> None:
    assert write_value(array)
    json.dumps(plain(array), allow_nan=False)


def test_data_is_finite_and_small() -> None:
    assert plain({"a": np.array([np.nan, np.inf, 0.123456])}) == {"a": [None, None, 0.1235]}
    assert plain(np.zeros((100, 100, 3), np.uint8)) is None
    assert plain(("x", 3)) == ["x", 3]


DOCS = """# noqa
# My Game

```{figure} game.gif
:width: 140px
```

This environment is part of the <a href='..'>games</a>. Please read that page first for general information.

| Actions | Discrete |
|---------|----------|

Two players [push](http://x) **hard**.

### Arguments

`speed`: how fast.

### Rewards

A point for `each` push.

### Version History

* v1: first
"""


def test_rules_are_the_paragraphs_about_the_game() -> None:
    assert rules_from_docs(DOCS) == "My Game\n\nTwo players push hard.\n\nRewards\n\nA point for each push."


def test_rules_are_cut_at_the_end_of_a_line() -> None:
    rules = rules_from_docs("\n".join(f"Line {i} of the rules." for i in range(1000)))
    assert len(rules) <= MOST_RULES
    assert rules.endswith("of the rules.")
    assert rules_from_docs("") == ""
