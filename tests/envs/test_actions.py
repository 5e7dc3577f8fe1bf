"""Reading actions from replies: structured answers, the first line, and what must never be taken for an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.actions import ContinuousActions, DiscreteActions
from envs.base import ParsedAction

MEANINGS = {"retract_down": "lower it", "stay": "hold it", "push_up": "raise it"}
DISCRETE = DiscreteActions({"retract_down": 0, "stay": 1, "push_up": 2}, MEANINGS, neutral="stay")
CONTINUOUS = ContinuousActions(("retract_down", -1.0), ("stay", 0.0), ("push_up", 1.0), MEANINGS, threshold=0.33)

DOWN, STAY, UP = ParsedAction(0, "retract_down"), ParsedAction(1, "stay"), ParsedAction(2, "push_up")


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("0", DOWN),
        ("1", STAY),
        ("2", UP),
        ("2.", UP),
        ("push_up", UP),
        ("Push up.", UP),
        ("PUSH-UP!", UP),
        ("retract_down", DOWN),
        ("\n\n  2  \nThe ball is 1 px left.", UP),
        ("2 = push_up", UP),
        ("2: push up", UP),
        ("push_up = 2", UP),
        ("**2**", UP),
        ("`push_up`", UP),
        ('{"action": 2}', UP),
        ('{"action": "push_up"}', UP),
        ('{"action": "2"}', UP),
        ('{"action": 2.0, "reason": {"why": "{}"}}', UP),
        ('```json\n{"action": 0}\n```', DOWN),
        ('I lower it:\n```\n{"action": 0, "why": {"x": 2}}\n```\nDone.', DOWN),
        ('The ball is 1 px left, so I raise.\n{"action": 2}', UP),
        ('1\n{"action": 2}', UP),
    ],
)
def test_reads_answers(reply: str, action: ParsedAction) -> None:
    assert DISCRETE.parse(reply) == action


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   \n ",
        "The ball is 1 px left. Push up",
        "I will not retract",
        "piston 3: push",
        "3",
        "-1",
        "10",
        "2 1",
        "2 or 0",
        "2 = retract_down",
        "piston_3: push_up",
        "Push up\N{FULLWIDTH DIGIT TWO}",
        "\N{FULLWIDTH DIGIT TWO}",
        "2\N{SUPERSCRIPT TWO}",
        "2e0",
        "stay or push_up",
        '{"action": 3}',
        '{"action": true}',
        '{"action": null}',
        '{"action": NaN}',
        '{"action": [2]}',
        '{"Action": 2}',
        '{"alternatives": [{"action": 0}], "chosen": 2}',
        '{"action": 0} or {"action": 2}',
        '{"action": ' + "9" * 5000 + "}",
        "[" * 100_000 + '"action"',
        "```" + "\n" * 300_000 + '"action"',
        '{"action": ' * 30_000,
    ],
)
def test_never_misreads(reply: str) -> None:
    assert DISCRETE.parse(reply) == ParsedAction(1, "stay", parsed=False)


@given(st.text())
def test_parsing_never_raises(reply: str) -> None:
    for space in (DISCRETE, CONTINUOUS):
        action = space.parse(reply)
        assert action.name in space.choices
        assert action.parsed or action.value == space.choices["stay"]


@given(st.floats(-1, 1), st.sampled_from(["{}", '{{"action": {}}}', "{}\nbecause", "{}."]))
def test_continuous_values_round_trip(value: float, form: str) -> None:
    text = f"{value:.6f}"
    action = CONTINUOUS.parse(form.format(text))
    assert action.parsed
    assert action.value == float(text)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (1.0, "push_up"),
        (0.34, "push_up"),
        (0.33, "stay"),
        (-0.33, "stay"),
        (-0.34, "retract_down"),
        (-1, "retract_down"),
    ],
)
def test_continuous_values_have_names(value: float, name: str) -> None:
    assert CONTINUOUS.parse(str(value)) == ParsedAction(value, name)


@pytest.mark.parametrize(
    "reply",
    [
        "1.01",
        "-2",
        "inf",
        "nan",
        "1e9",
        '{"action": 1.5}',
        '{"action": Infinity}',
        '{"action": 1' + "0" * 400 + "}",
        "up 1",
    ],
)
def test_continuous_values_outside_are_not_read(reply: str) -> None:
    assert CONTINUOUS.parse(reply) == ParsedAction(0.0, "stay", parsed=False)


@pytest.mark.parametrize(("reply", "value"), [("push_up", 1.0), ("1", 1.0), ("-1", -1.0), ("0", 0.0), (".5", 0.5)])
def test_continuous_names_and_numbers(reply: str, value: float) -> None:
    action = CONTINUOUS.parse(reply)
    assert (action.value, action.parsed) == (value, True)


def test_actions_are_offered_one_per_line() -> None:
    assert DISCRETE.describe().splitlines()[1:] == [
        "- 0 = retract_down: lower it",
        "- 1 = stay: hold it",
        "- 2 = push_up: raise it",
    ]
    assert CONTINUOUS.describe().splitlines()[1] == "- -1 = retract_down: lower it"


def test_letters_are_offered_in_place_of_numbers_and_all_are_read() -> None:
    letters = {"retract_down": "d", "stay": "s", "push_up": "u"}
    actions = DiscreteActions(DISCRETE.choices, MEANINGS, neutral="stay", letters=letters)  # type: ignore[arg-type]
    assert actions.describe().splitlines() == [
        "Answer with the letter of one action alone on the first line:",
        "- d = retract_down: lower it",
        "- s = stay: hold it",
        "- u = push_up: raise it",
    ]
    for replies, action in ((("d", "D.", "0"), DOWN), (("s", "**s**", "stay"), STAY), (("u", "u = push_up", "2"), UP)):
        assert [actions.parse(reply) for reply in replies] == [action] * 3
    assert not DISCRETE.parse("u").parsed


def test_choices_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        DISCRETE.choices["fly"] = 3  # type: ignore[index]
