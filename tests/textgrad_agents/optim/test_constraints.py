from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.errors import ConfigError
from textgrad_agents.optim import (
    Check,
    ForbiddenWords,
    JSONSchema,
    MaxGrowth,
    MaxLength,
    NoControlCharacters,
    PlaceholdersKept,
)
from textgrad_agents.optim.constraints import placeholders

SCHEMA = {
    "type": "object",
    "properties": {
        "tone": {"enum": ["warm", "cool"]},
        "limit": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"type": "number"},
        "tags": {"type": "array", "items": {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"}, "maxItems": 2},
        "either": {"anyOf": [{"type": "null"}, {"const": 3}]},
    },
    "required": ["tone"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("check", "old", "new", "says"),
    [
        (PlaceholdersKept(), "Q: {question} {n:.2f}", "{n} {question}", None),
        (PlaceholdersKept(), "{question[text]}", "Q: {question[text]}", None),
        (PlaceholdersKept(), "{question}", "{question.__class__}", "adds {question.__class__}"),
        (PlaceholdersKept(), "{question}", "{question} {question[0]}", "adds {question[0]}"),
        (PlaceholdersKept(), "Q: {question}", "Q:", "lacks {question}"),
        (PlaceholdersKept(), "Q: {question}", "{question} {extra}", "adds {extra}"),
        (PlaceholdersKept(), "{a}", "{b}", "lacks {a} and adds {b}"),
        (PlaceholdersKept(), "{a:{width}}", "{a}", "lacks {width}"),
        (PlaceholdersKept(), "{a}", "{a} {", "braces do not match"),
        (PlaceholdersKept(), "plain", '{{"json": 1}}', None),
        (PlaceholdersKept(), "plain", "{new}", "adds {new}"),
        (PlaceholdersKept(), 'no template: {"a', "anything {", None),
        (PlaceholdersKept(templates_only=True), "plain", 'Reply as {"answer": 1}', None),
        (PlaceholdersKept(templates_only=True), 'Reply as {"answer": 1}', "Reply briefly", None),
        (PlaceholdersKept(templates_only=True), "{q}", 'Reply as {"answer": 1}', "lacks {q}"),
        (MaxLength(characters=5), "", "12345", None),
        (MaxLength(characters=5), "", "123456", "6 characters; at most 5 characters"),
        (MaxLength(tokens=2), "", "one two three", "at most 2 tokens"),
        (MaxGrowth(factor=2, free=3), "12345", "1234567890", None),
        (MaxGrowth(factor=2, free=3), "12345", "12345678901", "at most 10"),
        (MaxGrowth(factor=2, free=3), "", "123", None),
        (ForbiddenWords(["left", "push up"]), "", "cleft leftover push-up", None),
        (ForbiddenWords(["left", "push up"]), "", "LEFT, then push up!", "left, push up"),
        (NoControlCharacters(), "", "line\n\tand ümläut 😀", None),
        (NoControlCharacters(), "", "a\x00b", "U+0000"),
        (NoControlCharacters(), "", "a\x1b[31mb", "U+001B"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "limit": 9, "share": 1, "tags": ["ab"], "either": null}', None),
        (JSONSchema(SCHEMA), "", '{"tone": "warm"', "not a JSON text"),
        (JSONSchema(SCHEMA), "", "[]", "must be of type object"),
        (JSONSchema(SCHEMA), "", "{}", "lacks ['tone']"),
        (JSONSchema(SCHEMA), "", '{"tone": "hot"}', "it.tone must be one of"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "x": 1}', "unknown fields ['x']"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "limit": 10}', "at most 9"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "limit": true}', "type integer"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "limit": 1.5}', "type integer"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "tags": ["ab", "cd", "ef"]}', "number of items"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "tags": ["a"]}', "length of it.tags[0]"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "tags": ["AB"]}', "must match"),
        (JSONSchema(SCHEMA), "", '{"tone": "warm", "either": 4}', "none of the 2 alternatives"),
        (JSONSchema({"const": 1}), "", "true", "must be 1"),
    ],
)
def test_a_check_says_what_is_broken(check: Check, old: str, new: str, says: str | None) -> None:
    broken = check.violation(old, new)
    if says is None:
        assert broken is None
    else:
        assert broken is not None
        assert says in broken


@pytest.mark.parametrize(
    ("check", "rule"),
    [
        (PlaceholdersKept(), "Keep the placeholders {b}, {x}; add no others."),
        (MaxLength(tokens=3, characters=9), "Write at most 3 tokens and 9 characters."),
        (MaxGrowth(factor=2, free=1), "Write at most 14 characters."),
        (ForbiddenWords(["a", "b"]), "Never use these words: a, b."),
        (NoControlCharacters(), ""),
    ],
)
def test_a_check_says_its_rule(check: Check, rule: str) -> None:
    assert check.rule("{x} {b}") == rule


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaxLength(),
        lambda: MaxLength(tokens=0),
        lambda: MaxGrowth(factor=0.5),
        lambda: MaxGrowth(factor=float("nan")),
        lambda: ForbiddenWords("left"),
        lambda: ForbiddenWords([]),
        lambda: ForbiddenWords([""]),
        lambda: JSONSchema({"type": "text"}),
        lambda: JSONSchema({"properties": {"a": {"multipleOf": 3}}}),
        lambda: JSONSchema({"items": {"format": "date"}}),
        lambda: JSONSchema({"additionalProperties": {"type": "string"}}),
    ],
)
def test_a_check_that_could_not_work_is_refused(make: object) -> None:
    with pytest.raises(ConfigError):
        make()  # type: ignore[operator]


@given(st.dictionaries(st.text(alphabet="abcxyz_", min_size=1), st.text(), max_size=4), st.text())
def test_placeholders_are_what_format_asks_for(fields: dict[str, str], words: str) -> None:
    plain = words.replace("{", "{{").replace("}", "}}")
    template = plain + "".join(f"{{{name}}}" for name in fields)
    assert placeholders(template) == fields.keys()
    assert template.format(**fields) == words + "".join(fields.values())


@given(st.text(), st.integers(1, 50))
def test_a_value_within_the_limit_is_never_refused(text: str, limit: int) -> None:
    refused = MaxLength(tokens=limit).violation("", text) is not None
    assert refused == (estimate_tokens(text) > limit)
