"""What pistons are told: what they could see, in a small vocabulary, and nothing else."""

from __future__ import annotations

import operator
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.pistonball import PistonballEnvironment, observations
from envs.pistonball.observations import BallView, LocalObserver, describe_table
from textgrad_agents.situations import clauses_of, find_situation

AGENTS = tuple(f"piston_{i}" for i in range(10))
CENTRES = tuple(60.0 + 40 * i for i in range(10))
OBSERVER = LocalObserver(AGENTS, CENTRES, 40, 4.0)

heights = st.lists(st.floats(0, 64), min_size=10, max_size=10)
balls = st.builds(BallView, x=st.floats(80, 400), height=st.floats(-30, 400), moved=st.floats(-150, 150))


def situation(offset: float, moved: float = 0.0) -> str:
    return str(find_situation(OBSERVER.text(5, [0.0] * 10, BallView(CENTRES[5] + offset, 0, moved))))


@pytest.mark.parametrize(
    ("offset", "clause"),
    [
        (0, "the ball is above me"),
        (20, "the ball is above me"),
        (-20, "the ball is above me"),
        (-20.5, "the ball is close on my left"),
        (-80, "the ball is close on my left"),
        (-81, "the ball is far on my left"),
        (-160, "the ball is far on my left"),
        (21, "the ball is close on my right"),
        (80, "the ball is close on my right"),
        (81, "the ball is far on my right"),
        (160, "the ball is far on my right"),
    ],
)
def test_places(offset: float, clause: str) -> None:
    assert situation(offset) == f"{clause}; the ball is still"


@pytest.mark.parametrize(
    ("moved", "clause"),
    [(0, "still"), (3, "still"), (-3, "still"), (3.1, "moving right"), (-3.1, "moving left"), (-90, "moving left")],
)
def test_motions(moved: float, clause: str) -> None:
    assert situation(50, moved) == f"the ball is close on my right; the ball is {clause}"


@pytest.mark.parametrize("offset", [-161, 161])
def test_out_of_sight(offset: float) -> None:
    assert situation(offset, 40) == "the ball is out of sight"


def test_the_whole_text() -> None:
    text = OBSERVER.text(9, [*[0.0] * 8, 16.0, 24.0], BallView(x=368, height=20.4, moved=-6))
    assert text == (
        "I am piston_9, number 10 of 10 from the left.\n"
        "My height: 24 px. Left neighbour: 16. Right neighbour: none (wall).\n"
        "Ball: 52 px to my left, its underside at height 20; it moved 6 px to the left in the last cycle.\n"
        "Situation: the ball is close on my left; the ball is moving left"
    )


def test_without_limit_everything_is_in_sight() -> None:
    text = LocalObserver(AGENTS, CENTRES, 40, None).text(0, [0.0] * 10, BallView(x=400, height=20, moved=0))
    assert find_situation(text) == "the ball is far on my right; the ball is still"


def out_of_sight(i: int) -> st.SearchStrategy[BallView]:
    """A ball that piston i cannot see."""
    distances = st.builds(operator.mul, st.sampled_from([-1, 1]), st.floats(161, 2000))
    return st.builds(lambda ball, distance: replace(ball, x=CENTRES[i] + distance), balls, distances)


@given(st.data(), st.integers(0, 9), heights, heights)
def test_what_is_out_of_sight_leaves_no_trace(
    data: st.DataObject, i: int, some: list[float], others: list[float]
) -> None:
    """Neither a ball out of sight nor pistons beyond the neighbours change a word."""
    ball, elsewhere = data.draw(out_of_sight(i)), data.draw(out_of_sight(i))
    seen = [some[j] if abs(j - i) <= 1 else others[j] for j in range(10)]
    assert OBSERVER.text(i, some, ball) == OBSERVER.text(i, seen, elsewhere)


@given(st.integers(0, 9), heights, heights, balls)
def test_far_pistons_leave_no_trace_when_the_ball_is_seen(
    i: int, some: list[float], others: list[float], ball: BallView
) -> None:
    seen = [some[j] if abs(j - i) <= 1 else others[j] for j in range(10)]
    assert OBSERVER.text(i, some, ball) == OBSERVER.text(i, seen, ball)


@given(st.integers(0, 9), heights, balls)
def test_situations_use_the_small_vocabulary(i: int, some: list[float], ball: BallView) -> None:
    clauses = clauses_of(str(find_situation(OBSERVER.text(i, some, ball))))
    places = {*observations._PLACES, observations.OUT_OF_SIGHT}
    assert clauses[0] in places
    assert len(clauses) == (1 if clauses[0] == observations.OUT_OF_SIGHT else 2)
    assert all(clause in observations._MOTIONS for clause in clauses[1:])


@pytest.mark.parametrize("mode", ["discrete", "continuous"])
def test_no_text_says_which_action_is_right(mode: str) -> None:
    environment = PistonballEnvironment(10, action_mode=mode)  # type: ignore[arg-type]
    environment.reset(0)
    texts = [environment.rules, environment.describe_state(), *map(environment.observe, environment.agents)]
    advice = re.compile(
        r"push|retract|raise|lower|should|must|better|best|correct|good|bad|try to|ought", re.IGNORECASE
    )
    assert [advice.findall(text) for text in texts] == [[]] * len(texts)
    judging = re.compile(r"ball|should|must|better|best|correct|left|right", re.IGNORECASE)
    assert not judging.findall(environment.action_space.describe())


def test_texts_are_those_of_the_state() -> None:
    environment = PistonballEnvironment(10)
    environment.reset(3)
    environment.step(dict.fromkeys(environment.agents, 2))
    state = environment.global_state()
    height = state["pistons"][4]["position"]
    assert f"My height: {height:.0f} px. Left neighbour: {state['pistons'][3]['position']:.0f}." in environment.observe(
        "piston_4"
    )
    assert f"Ball: x {state['ball_position'][0]:.0f} px" in environment.describe_state()
    progress = re.search(r"Progress to the left wall: (\S+) %\.", environment.describe_state())
    assert progress is not None
    assert float(progress[1]) == pytest.approx(state["progress"], abs=0.06)


def test_critics_read_the_whole_table() -> None:
    text = describe_table(
        AGENTS[:4],
        CENTRES[:4],
        [0.0, 4.0, 8.0, 64.0],
        BallView(x=62, height=12, moved=-10),
        velocity=(-20.0, -0.2),
        progress=98.04,
        piston_width=40,
    )
    assert text == (
        "Ball: x 62 px, underside at height 12 px, above piston_0, in the left third of the table.\n"
        "Motion: the ball is moving left; it moved 10 px to the left in the last cycle; "
        "velocity now -20 px/s to the right, +0 px/s upwards.\n"
        "Progress to the left wall: 98.0 %.\n"
        "Pistons within 2 widths of the ball: piston_0, piston_1, piston_2.\n"
        "Heights from left to right: piston_0 0 (below the ball), piston_1 4 (near the ball, on its right), "
        "piston_2 8 (near the ball, on its right), piston_3 64."
    )
