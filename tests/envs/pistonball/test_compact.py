"""Eight characters: what a piston could see, the same for the same sight, and nothing beyond it."""

from __future__ import annotations

import operator
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import envs
from envs.pistonball import PistonballEnvironment
from envs.pistonball.compact import LENGTH, CompactObserver
from envs.pistonball.observations import BallView
from textgrad_agents.errors import ConfigError

CENTRES = tuple(60.0 + 40 * i for i in range(10))
OBSERVER = CompactObserver(CENTRES, 40, 64, 4.0)
FORM = re.compile(r"(?:[+-]\d[+-]\d|\?{4})(?:\d{3}|\|\d\d|\d\d\|):")

heights = st.lists(st.floats(0, 64), min_size=10, max_size=10)
balls = st.builds(BallView, x=st.floats(-500, 900), height=st.floats(-30, 400), moved=st.floats(-150, 150))
places = st.integers(0, 9)


def text(offset: float = 0.0, moved: float = 0.0, around: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> str:
    table = [0.0] * 10
    table[4:7] = around
    return OBSERVER.text(5, table, BallView(CENTRES[5] + offset, 0, moved))


@pytest.mark.parametrize(
    ("offset", "moved", "around", "expected"),
    [
        (60, -6, (28.5, 7.2, 36), "+3-2415:"),
        (0, 0, (0, 0, 0), "+0+0000:"),
        (-1, -0.1, (7.1, 64, 63.9), "-0-0098:"),
        (160, 300, (0, 0, 0), "+8+9000:"),
        (-160, -300, (0, 0, 0), "-8-9000:"),
        (160.5, 6, (0, 0, 0), "????000:"),
        (-161, 6, (0, 0, 0), "????000:"),
    ],
)
def test_the_text(offset: float, moved: float, around: tuple[float, float, float], expected: str) -> None:
    assert text(offset, moved, around) == expected


def test_walls() -> None:
    ball = BallView(CENTRES[0], 0, 0)
    assert OBSERVER.text(0, [64.0, 32.0, *[0.0] * 8], ball) == "+0+0|94:"
    assert OBSERVER.text(9, [*[0.0] * 8, 32.0, 64.0], ball) == "????49|:"


def test_without_limit_everything_is_in_sight() -> None:
    assert CompactObserver(CENTRES, 40, 64, None).text(0, [0.0] * 10, BallView(900, 0, 0)) == "+9+0|00:"


@given(places, heights, balls)
def test_always_eight_characters_of_one_form(i: int, table: list[float], ball: BallView) -> None:
    found = OBSERVER.text(i, table, ball)
    assert len(found) == LENGTH
    assert FORM.fullmatch(found)
    assert found == OBSERVER.text(i, list(table), replace(ball))


@given(places, heights, heights, balls)
def test_other_pistons_than_the_neighbours_are_not_told(
    i: int, table: list[float], other: list[float], ball: BallView
) -> None:
    known = range(max(0, i - 1), min(10, i + 2))
    mixed = [table[k] if k in known else other[k] for k in range(10)]
    assert OBSERVER.text(i, mixed, ball) == OBSERVER.text(i, table, ball)


@given(places, heights, balls, balls, st.tuples(*[st.sampled_from([-1, 1])] * 2), st.floats(161, 2000))
def test_a_ball_out_of_sight_could_be_anywhere(
    i: int, table: list[float], one: BallView, other: BallView, sides: tuple[int, int], distance: float
) -> None:
    first, second = (
        OBSERVER.text(i, table, replace(ball, x=CENTRES[i] + side * distance))
        for ball, side in zip((one, other), sides, strict=True)
    )
    assert first == second
    assert first.startswith("????")


@given(st.floats(-160, 160), st.floats(-160, 160))
def test_order_is_kept(one: float, other: float) -> None:
    """A ball further to the right is never told to be further to the left."""
    told = [int(text(offset)[:2]) for offset in sorted([one, other])]
    assert operator.le(*told)


# -- in the environment --------------------------------------------------------------------------------------------


def started(**parameters: Any) -> PistonballEnvironment:
    environment = PistonballEnvironment(num_pistons=10, max_cycles=20, observation="compact", **parameters)
    environment.reset(3)
    return environment


def test_the_table_tells_it_and_offers_letters() -> None:
    environment = started()
    assert all(FORM.fullmatch(environment.observe(agent)) for agent in environment.agents)
    assert "- u = push_up" in environment.action_space.describe()
    assert [environment.action_space.parse(letter).value for letter in "dsu"] == [0, 1, 2]
    assert "+3-2415:" in environment.rules
    assert "???? is a ball out of sight" in environment.rules


def test_it_is_a_parameter_that_records_keep() -> None:
    parameters = started().parameters()
    assert parameters["observation"] == "compact"
    assert envs.make(**parameters).parameters() == parameters
    del parameters["observation"]
    assert envs.make(**parameters).parameters()["observation"] == "full"


def test_it_follows_the_full_one() -> None:
    """The same table, told twice: who sees the ball, and on which side."""
    full = PistonballEnvironment(num_pistons=10, max_cycles=20)
    compact = started()
    full.reset(3)
    for _ in range(20):
        for agent in full.agents:
            words, characters = full.observe(agent), compact.observe(agent)
            assert ("out of my sight" in words) == characters.startswith("????")
            if "px to my left" in words:
                assert characters[0] == "-"
        for environment in (full, compact):
            environment.step(dict.fromkeys(environment.agents, 2))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"observation": "short"}, 'observation must be "full" or "compact", not \'short\''),
        ({"observation": "compact", "action_mode": "continuous"}, "moves d, s and u; use action_mode discrete"),
    ],
)
def test_refuses_bad_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PistonballEnvironment(**parameters)
