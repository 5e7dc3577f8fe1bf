"""The table of old and new prompts and weights."""

import asyncio
import math

import pytest

from textgrad_agents.errors import EnvError
from textgrad_agents.trajectory import Episode
from training.two_by_two import Cell, as_table, two_by_two, wilson

WORTH = {("old", "old"): 0.25, ("old", "new"): 0.5, ("new", "old"): 0.75, ("new", "new"): 1.0}


def played(asked):
    async def play(prompt, weights):
        asked.append((prompt, weights))
        return [Episode(total_reward=WORTH[prompt, weights])] * 10

    return play


def test_all_four_are_played_on_the_same_episodes():
    asked = []
    cells = asyncio.run(two_by_two(played(asked), tasks=4))
    assert [(cell.prompt, cell.weights) for cell in cells] == asked == list(WORTH)
    assert [cell.mean for cell in cells] == [*WORTH.values()]


def test_what_did_not_change_is_not_played_twice():
    asked = []
    cells = asyncio.run(two_by_two(played(asked), tasks=4, changed={"prompt": False, "weights": True}))
    assert asked == [("old", "old"), ("old", "new")]
    assert [cell.mean for cell in cells] == [0.25, 0.5, 0.25, 0.5]


@pytest.mark.parametrize(
    ("solved", "tried", "low", "high"), [(0, 10, 0, 0.278), (5, 10, 0.237, 0.763), (10, 10, 0.722, 1)]
)
def test_wilson_as_in_tables(solved, tried, low, high):
    assert wilson(solved, tried) == pytest.approx((low, high), abs=1e-3)


def test_intervals_of_scores_that_are_no_shares():
    cell = Cell("old", "old", (1.0, 3.0))
    assert cell.interval == pytest.approx((2 - 1.96, 2 + 1.96), abs=1e-3)
    assert Cell("old", "old", (1.0,)).interval == (-math.inf, math.inf)
    assert Cell("old", "old", (1.0,)).to_dict()["low"] is None


def test_a_table_of_four():
    cells = asyncio.run(two_by_two(played([]), tasks=4))
    table = as_table(cells, "share of problems solved")
    assert table.row_count == 2
    assert [*table.columns[2].cells][1].startswith("1.000 (0.9")


def test_failed_episodes_are_left_out_and_all_failed_is_an_error():
    async def play(prompt, weights):
        return [Episode(error="broken"), Episode(total_reward=1.0)] if prompt == "old" else [Episode(error="broken")]

    with pytest.raises(EnvError, match="all 1 test episodes: broken"):
        asyncio.run(two_by_two(play))
