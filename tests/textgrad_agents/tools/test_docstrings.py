"""Placeholders in docstrings, and telling async callables from others."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.tools import is_coroutine_callable, partial_format


@pytest.mark.parametrize(
    ("text", "formats", "expected"),
    [
        ("Hello {name}", {"name": "Ann"}, "Hello Ann"),
        ("{a} and {b}", {"b": 2}, "{a} and 2"),
        ("{a}, {{a}}", {"a": 1}, "1, {a}"),
        ("{count:>3}", {"count": 7}, "  7"),
        ('{"key": {"inner": 1}} of {name}', {"name": "Ann"}, '{"key": {"inner": 1}} of Ann'),
        ("an empty {} set", {"a": 1}, "an empty {} set"),
        ("{x.y} and {a}", {"a": 1}, "{x.y} and 1"),
        ("a lone { brace", {}, "a lone { brace"),
    ],
)
def test_placeholders_with_a_value_are_filled_in(text: str, formats: dict[str, Any], expected: str) -> None:
    assert partial_format(text, **formats) == expected


@given(text=st.text(alphabet="ab{}:!.[] 0"))
def test_no_text_is_refused(text: str) -> None:
    assert isinstance(partial_format(text, a=1), str)


def test_async_callables_are_told_from_others() -> None:
    async def action() -> None: ...

    class Action:
        async def __call__(self) -> None: ...

        async def act(self) -> None: ...

    assert all(map(is_coroutine_callable, (action, Action(), Action().act, functools.partial(action))))
    assert not any(map(is_coroutine_callable, (print, Action, lambda: 1, 5, None)))
