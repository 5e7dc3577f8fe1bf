"""What a model refuses is said on one line."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from textgrad_agents.validation import explain, nearest, short


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: Annotated[int, Field(strict=True, ge=1)] = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    mode: Literal["slow", "fast"] = "slow"
    name: Annotated[str, Field(min_length=1)] = "a"
    inner: Inner = Inner()
    needed: int


def complaint(**fields: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(fields)
    return explain(caught.value, fields=list(Outer.model_fields), hide=("inner",))


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"needed": 1, "mode": "medium"}, "mode must be 'slow' or 'fast', not 'medium'"),
        ({"needed": 1, "inner": {"count": 0}}, "count must be greater than or equal to 1, not 0"),
        ({"needed": 1, "inner": {"count": "2"}}, "count must be a valid integer, not '2'"),
        ({"needed": 1, "name": ""}, "name must have at least 1 character, not ''"),
        ({"needed": 1, "mod": "fast"}, "there is no field mod; did you mean mode?"),
        ({"needed": 1, "zzz": 1}, "there is no field zzz; known are mode, name, inner, needed"),
        ({}, "needed is missing"),
        ({"mode": 1}, "mode must be 'slow' or 'fast', not 1; needed is missing"),
    ],
)
def test_lines(fields: dict[str, object], line: str) -> None:
    assert complaint(**fields) == line


def test_many_problems_are_counted() -> None:
    line = complaint(**{f"x\n{i}": i for i in range(20)})
    assert line.endswith("; and 16 more")
    assert "\n" not in line


def test_long_values_are_cut() -> None:
    assert short("x" * 100) == "'" + "x" * 58 + "…"
    assert short(float("nan")) == "nan"
    assert nearest("any", []) == "leave it out"
