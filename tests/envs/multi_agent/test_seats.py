"""The actions of a seat: what is offered, what is legal, what the game gets."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from hypothesis import given
from hypothesis import strategies as st

from envs.multi_agent.seats import ListedActions, Wording, seat_actions
from textgrad_agents.errors import ConfigError

COLOURS = Wording(["red", "green", "blue"], ["paint red", "paint green", "paint blue"], "green")


def test_actions_go_by_the_wording() -> None:
    space = seat_actions(Discrete(3), COLOURS, "x").open(None)
    assert space.choices == {"red": 0, "green": 1, "blue": 2}
    assert "- 2 = blue: paint blue" in space.describe()
    assert (space.parse("blue").value, space.parse("?").name) == (2, "green")


def test_only_legal_actions_are_offered_and_read() -> None:
    actions = seat_actions(Discrete(3), COLOURS, "x")
    space = actions.open(np.array([1, 0, 1], np.int8))
    assert list(space.choices) == ["red", "blue"]
    assert "green" not in space.describe()
    illegal = space.parse("green")
    assert (illegal.parsed, illegal.name) == (False, "red")
    assert actions.open(np.array([1, 0, 1], bool)) is space


def test_a_mask_that_allows_nothing_tells_nothing() -> None:
    assert len(seat_actions(Discrete(3), COLOURS, "x").open(np.zeros(3)).choices) == 3


def test_numbers_without_words() -> None:
    space = seat_actions(Discrete(2), None, "x").open(None)
    assert space.choices == {"action_0": 0, "action_1": 1}


def test_the_game_gets_its_own_numbers() -> None:
    actions = seat_actions(Discrete(3, start=5), COLOURS, "x")
    assert [actions.native(value, None) for value in (0, 1, 2.0)] == [5, 6, 7]


@pytest.mark.parametrize(("value", "mask"), [(3, None), (-1, None), (0.5, None), (1, [1, 0, 1]), (float("nan"), None)])
def test_what_is_not_legal_is_refused(value: float, mask: Any) -> None:
    with pytest.raises(ValueError, match=str(value)):
        seat_actions(Discrete(3), COLOURS, "x").native(value, mask)


@given(st.lists(st.booleans(), min_size=3, max_size=3).filter(any), st.integers(0, 2**32))
def test_an_action_drawn_is_legal(mask: list[bool], seed: int) -> None:
    native = seat_actions(Discrete(3), COLOURS, "x").draw(np.array(mask), random.Random(seed))
    assert mask[native]


@pytest.mark.parametrize(
    ("space", "count"), [(MultiDiscrete([2, 3]), 6), (MultiBinary(3), 8), (MultiDiscrete([2, 2], start=[1, 1]), 4)]
)
def test_combinations_are_listed(space: Any, count: int) -> None:
    actions = seat_actions(space, None, "x")
    offered = actions.open(None).choices
    assert len(offered) == count
    natives = [actions.native(value, None) for value in offered.values()]
    assert all(space.contains(native) for native in natives)
    assert len({tuple(native.tolist()) for native in natives}) == count


def test_several_numbers_are_moved_one_at_a_time() -> None:
    space = Box(np.array([-1, 0], np.float32), np.array([1, 2], np.float32))
    actions = seat_actions(space, None, "x")
    offered = actions.open(None)
    assert list(offered.choices) == ["rest", "lower_0", "raise_0", "raise_1"]
    assert [actions.native(i, None).tolist() for i in range(4)] == [[0, 0], [-1, 0], [1, 0], [0, 2]]
    assert offered.parse("none of these").name == "rest"


def test_one_number_is_any_number_of_its_interval() -> None:
    actions = seat_actions(Box(0, 10, (1,), np.float32), None, "x")
    space = actions.open(None)
    assert list(space.choices.values()) == [0, 5, 10]
    assert (space.parse("7.5").value, space.parse("7.5").name) == (7.5, "highest")
    assert actions.native(7.5, None).tolist() == [7.5]
    with pytest.raises(ValueError, match="11"):
        actions.native(11, None)
    assert 0 <= actions.draw(None, random.Random(0))[0] <= 10


def test_one_number_may_have_words() -> None:
    wording = Wording(["down", "stay", "up"], ["go down", "stay there", "go up"])
    space = seat_actions(Box(-1, 1, (1,), np.float32), wording, "x").open(None)
    assert space.choices == {"down": -1, "stay": 0, "up": 1}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (MultiDiscrete([50, 50]), "x has 2500 combined actions; at most 1000 can be listed"),
        (Dict({"a": Discrete(2)}), "x has actions of the kind Dict"),
    ],
)
def test_what_cannot_be_listed_is_refused(space: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        seat_actions(space, None, "x")


def test_spaces_of_many_masks_do_not_pile_up() -> None:
    actions = ListedActions(Wording([f"n{i}" for i in range(12)], ["x"] * 12), range(12))
    for number in range(1, 4096):
        actions.open(np.array([number >> i & 1 for i in range(12)]))
    assert len(actions._spaces) <= 1002
