"""Situations are found in observation text, the last one counting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.situations import PREFIX, clauses_of, find_situation, format_situation

clause = st.text(alphabet=st.characters(exclude_characters=";\n\r", exclude_categories=("Z", "C")), min_size=1)


@given(clauses=st.lists(clause, min_size=1, max_size=4), before=st.lists(clause, max_size=2), after=st.lists(clause))
def test_what_is_formatted_is_found(clauses: list[str], before: list[str], after: list[str]) -> None:
    text = "\n".join([*before, format_situation(clauses), *after])
    found = find_situation(text)
    assert found == "; ".join(clauses)
    assert clauses_of(found) == tuple(one.lower() for one in clauses)


@pytest.mark.parametrize(
    ("text", "situation"),
    [
        ("", None),
        ("no situation here", None),
        (f"in a sentence, {PREFIX}quoted", None),
        (f"{PREFIX}first\n{PREFIX}last\nmore", "last"),
        (f"{PREFIX} spaced ", "spaced"),
    ],
)
def test_the_last_line_counts(text: str, situation: str | None) -> None:
    assert find_situation(text) == situation


def test_clauses_are_lowered_and_empty_ones_dropped() -> None:
    assert clauses_of("The ball is LEFT;; ; it moves ") == ("the ball is left", "it moves")
