"""Credit: weights in [0, 2] with mean 1 whatever a critic says; who said what of whom; pistons near the ball."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from token_episodes import episode, step, trace

from envs import make
from envs.pistonball.physics import PistonballPhysics
from textgrad_agents.errors import ConfigError
from textgrad_agents.trajectory import Credit, Cycle, Episode
from training.numeric import Row, credit_weights, rows_of
from training.numeric.locality import pistons_near_ball

AGENTS = ("a", "b")
TURNS = 3


def played(credits: list[Credit], lengths: list[int] | None = None) -> Episode:
    """Two agents decide three times; replies have different lengths."""
    sizes = iter(lengths or [1] * (len(AGENTS) * TURNS))
    runs = [[step(a, t, 1.0, trace=trace(action=[9] * next(sizes))) for t in range(TURNS)] for a in AGENTS]
    return episode(*runs, credits=credits)


def signed(rows: tuple[Row, ...], signs: list[int]) -> list[Row]:
    return [replace(row, advantage=float(sign)) for row, sign in zip(rows, signs, strict=True)]


scores = st.none() | st.floats(-1, 1)
credits = st.lists(
    st.builds(
        Credit, agent=st.sampled_from(AGENTS), text=st.just(""), score=scores, step=st.none() | st.integers(0, 4)
    ),
    max_size=8,
)


@given(
    credits=credits,
    lengths=st.lists(st.integers(1, 4), min_size=6, max_size=6),
    signs=st.lists(st.sampled_from([-1, 1]), min_size=6, max_size=6),
    name=st.sampled_from(["steps", "agents"]),
    returns=st.sampled_from(["episode", "to_go"]),
)
def test_words_change_neither_a_sign_nor_the_sum(
    credits: list[Credit], lengths: list[int], signs: list[int], name: str, returns: Any
) -> None:
    whole = played(credits, lengths)
    rows = rows_of([whole], returns=returns)
    rows = signed(rows.rows, signs[: len(rows)])
    weighted = credit_weights(rows, [whole], name)
    for before, after in zip(rows, weighted, strict=True):
        assert after.weights is not None
        assert after.weights.dtype == np.float32
        assert after.weights.shape == before.action_ids.shape
        assert after.weights.min() >= 0
        assert after.weights.max() <= 2
        assert after.advantage == before.advantage
    scopes = [[row for row in weighted if row.agent == a] for a in AGENTS] if name == "steps" else [list(weighted)]
    for scope in scopes:
        chosen = np.concatenate([row.weights[row.mask] for row in scope if row.weights is not None])
        assert chosen.mean() == pytest.approx(1, abs=1e-5)


def weights(whole: Episode, name: str, sign: int = 1, **options: Any) -> dict[tuple[str, int], float]:
    """The weight of each decision."""
    rows = signed(rows_of([whole], returns="to_go").rows, [sign] * len(AGENTS) * TURNS)
    weighted = credit_weights(rows, [whole], name, **options)
    return {(row.agent, row.timestep): float(row.weights[0]) for row in weighted if row.weights is not None}


def test_steps_judged_well_weigh_more_and_of_a_failure_those_judged_badly() -> None:
    whole = played([Credit("a", "good", 0.5, step=0), Credit("a", "bad", -0.5, step=2)])
    assert weights(whole, "steps") == {
        ("a", 0): 1.5,
        ("a", 1): 1.0,
        ("a", 2): 0.5,
        ("b", 0): 1.0,
        ("b", 1): 1.0,
        ("b", 2): 1.0,
    }
    blamed = weights(whole, "steps", sign=-1)
    assert (blamed["a", 0], blamed["a", 1], blamed["a", 2]) == (0.5, 1.0, 1.5)


def test_judgements_of_agents_divide_the_credit_of_the_episode() -> None:
    whole = played([Credit("a", "led", 1.0), Credit("b", "idle", -1.0)])
    assert set(weights(whole, "agents").values()) == {0.0, 2.0}
    assert weights(whole, "agents")["a", 1] == 2.0
    assert set(weights(whole, "steps").values()) == {1.0}


def test_a_judgement_of_a_step_goes_before_that_of_its_agent() -> None:
    whole = played([Credit("a", "led", 0.5), Credit("a", "but not here", -0.5, step=1), Credit("b", "so so", 0.0)])
    found = weights(whole, "agents")
    assert found["a", 1] < found["b", 1] < found["a", 0] == found["a", 2]


def test_critics_are_averaged_or_one_is_chosen() -> None:
    whole = played(
        [
            Credit("a", "", 1.0, 0, "x"),
            Credit("a", "", -1.0, 0, "y"),
            Credit("a", "", 0.0, 1, "x"),
            Credit("a", "", 0.0, 1, "y"),
        ]
    )
    assert weights(whole, "steps")["a", 0] == 1.0
    assert weights(whole, "steps", source="x")["a", 0] == 1.5
    assert weights(whole, "steps", source="y")["a", 0] == 0.5


def test_a_judgement_between_two_decisions_is_of_the_one_in_force() -> None:
    going_on = replace(step("a", 1), messages=(), trace=None)
    whole = episode(
        [step("a", 0, trace=trace(action=[1])), going_on, step("a", 2, trace=trace(action=[1]))],
        credits=[Credit("a", "", 0.5, step=1), Credit("a", "", -0.5, step=2)],
    )
    weighted = credit_weights(rows_of([whole], returns="to_go"), [whole], "steps")
    assert [row.weights.tolist() for row in weighted if row.weights is not None] == [[1.5], [0.5]]


def test_in_a_row_of_several_turns_each_token_has_the_weight_of_its_turn() -> None:
    first = step("a", 0, trace=trace([1], [2, 3]))
    then = step("a", 1, trace=trace([1, 2, 3, 7], [4]))
    whole = episode([first, then], credits=[Credit("a", "", 0.3, step=0), Credit("a", "", -0.6, step=1)])
    (row,) = credit_weights(rows_of([whole]), [whole], "steps")
    assert row.weights is not None
    np.testing.assert_allclose(row.weights, [1.3, 1.3, 1.0, 0.4], rtol=1e-6)
    assert row.mask.tolist() == [True, True, False, True]


# -- locality ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 10, 20])
def test_pistons_near_the_ball_are_those_within_100_px_of_the_table(count: int) -> None:
    centres = PistonballPhysics(count, random_drop=True, pistons_start_low=False).centres
    table = make("pistonball", num_pistons=count)
    table.reset(1)
    near = pistons_near_ball(Cycle(0, "", table.global_state(), 0.0), table.agents)
    x = table.global_state()["ball_position"][0]
    assert near == {a for a, centre in zip(table.agents, centres, strict=True) if abs(centre - x) <= 100}
    assert near


def at_the_ball(ball_x: float) -> Episode:
    runs = [[step(f"piston_{i}", 0, 1.0, trace=trace(action=[9]))] for i in range(10)]
    return episode(*runs, environment={"name": "pistonball"}, state={0: {"ball_position": [ball_x, 100.0]}})


def test_only_pistons_near_the_ball_learn() -> None:
    whole = at_the_ball(60.0)  # wall and pistons are 40 px wide: 0 to 2 are near
    rows = signed(rows_of([whole]).rows, [1] * 10)
    weighted = credit_weights(rows, [whole], "near_only")
    assert [float(row.weights[0]) for row in weighted if row.weights is not None] == [1.0] * 3 + [0.0] * 7
    assert [row.advantage for row in weighted] == [1.0] * 3 + [0.0] * 7


@pytest.mark.parametrize("sign", [1, -1])
def test_pistons_near_the_ball_weigh_more(sign: int) -> None:
    whole = at_the_ball(60.0)
    weighted = credit_weights(signed(rows_of([whole]).rows, [sign] * 10), [whole], "near_more")
    found = np.array([row.weights[0] for row in weighted if row.weights is not None])
    assert found.mean() == pytest.approx(1, abs=1e-6)
    assert found[:3].min() > 1
    assert found[3:].max() < 1
    assert [row.advantage for row in weighted] == [sign] * 10


def test_other_environments_say_who_is_near() -> None:
    whole = played([])
    rows = rows_of([whole], returns="to_go")
    weighted = credit_weights(rows, [whole], "near_only", near=lambda cycle, agents: frozenset(agents[:1]))
    assert {(row.agent, float(row.weights[0])) for row in weighted if row.weights is not None} == {("a", 1), ("b", 0)}


def test_bad_input() -> None:
    whole = played([])
    rows = rows_of([whole])
    with pytest.raises(ConfigError, match="credit must be one of steps, agents, near_more, near_only, not 'best'"):
        credit_weights(rows, [whole], "best")
    with pytest.raises(ConfigError, match=r"a row of a is of episode .* not among those given"):
        credit_weights(rows, [], "steps")
    with pytest.raises(ConfigError, match="knows pistonball, not the environment 'table'"):
        credit_weights(rows, [whole], "near_more")
    bare = replace(at_the_ball(1.0), cycles=())
    with pytest.raises(ConfigError, match="needs the cycles of episode 0"):
        credit_weights(rows_of([bare]), [bare], "near_more")
