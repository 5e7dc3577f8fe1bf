"""The hand-written rule: its formula, and that it wins."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest

from envs.pistonball import PistonballEnvironment, rule_actions, rule_moves


def play(environment: PistonballEnvironment, seed: int, **parameters: float) -> tuple[float, int]:
    environment.reset(seed)
    total = 0.0
    for cycle in range(1, environment.max_cycles + 1):
        outcome = environment.step(rule_actions(environment, **parameters))
        total += outcome.rewards["piston_0"]
        if outcome.done or outcome.truncated:
            return total, cycle
    raise AssertionError("no end")


@pytest.mark.parametrize("action_mode", ["discrete", "continuous"])
@pytest.mark.parametrize("num_pistons", [10, 20])
def test_wins(num_pistons: int, action_mode: Any) -> None:
    environment = PistonballEnvironment(num_pistons, action_mode=action_mode)
    returns, lengths = zip(*(play(environment, seed) for seed in range(5)), strict=True)
    assert min(returns) > 80
    assert fmean(lengths) < environment.max_cycles


def test_a_weak_slope_wins_less() -> None:
    environment = PistonballEnvironment(20)
    strong, weak = (fmean(play(environment, seed, k=k)[0] for seed in range(5)) for k in (1.0, 0.1))
    assert strong > weak + 20


def moves(heights: list[float], ball_x: float) -> list[int]:
    return rule_moves([60, 100, 140, 180], heights, ball_x, piston_width=40, k=1.0, tau=4.0)


def test_slopes_the_floor_under_the_ball() -> None:
    assert moves([0, 0, 0, 0], ball_x=120) == [-1, -1, 1, 1]
    assert moves([0, 0, 0, 0], ball_x=119) == [-1, -1, 1, 0]  # the last is 61 px away, out of reach


def test_smooths_the_floor_elsewhere() -> None:
    assert moves([0, 0, 0, 0], ball_x=1000) == [0, 0, 0, 0]
    assert moves([0, 12, 0, 0], ball_x=1000) == [1, -1, 1, 0]
    assert moves([8, 0, 0, 0], ball_x=1000) == [0, 0, 0, 0]  # 4 is not beyond tau
    assert moves([10, 0, 0, 0], ball_x=1000) == [-1, 1, 0, 0]  # a missing neighbour is as high as the piston


def test_continuous_moves_are_softer() -> None:
    environment = PistonballEnvironment(4, action_mode="continuous")
    environment.reset(0)
    assert set(rule_actions(environment).values()) <= {-0.7, 0.0, 0.7}
