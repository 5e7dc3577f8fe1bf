"""Our table against PettingZoo's public parallel API, cycle by cycle, to the last bit."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from pettingzoo import make

from envs.pistonball import PistonballEnvironment, rule_actions


def public_api(environment: PistonballEnvironment, *, pictures: bool = False, **parameters: Any) -> tuple[Any, Any]:
    """PettingZoo's parallel environment and the table inside it.

    Nearly all of its time goes into the agents' pictures. They are not compared, so most tests leave them out.
    """
    wrapped: Any = make(
        "parallel",
        "butterfly/pistonball-v6",
        n_pistons=len(environment.agents),
        max_cycles=environment.max_cycles,
        continuous=environment.action_mode == "continuous",
        random_drop=environment.random_drop,
        **parameters,
    )
    table = wrapped.unwrapped
    if not pictures:
        table.observe = lambda agent: None
    return wrapped, table


def choose(environment: PistonballEnvironment, chance: random.Random, share_of_rule: float) -> dict[str, int | float]:
    """A mixture of the rule, which wins, and random moves."""
    by_rule = rule_actions(environment)
    discrete = environment.action_mode == "discrete"
    return {
        agent: by_rule[agent]
        if chance.random() < share_of_rule
        else (chance.choice((0, 1, 2)) if discrete else float(np.float32(chance.uniform(-1, 1))))
        for agent in environment.agents
    }


def for_public_api(environment: PistonballEnvironment, actions: dict[str, int | float]) -> dict[str, Any]:
    if environment.action_mode == "discrete":
        return dict(actions)
    return {agent: np.array([value], dtype=np.float32) for agent, value in actions.items()}


def assert_same_table(environment: PistonballEnvironment, table: Any) -> None:
    ours = environment._physics
    for name in ("position", "velocity", "angle", "angular_velocity"):
        assert getattr(ours.ball, name) == getattr(table.ball, name)
    assert ours.ys == [piston.position[1] for piston in table.pistonList]


def play_both(environment: PistonballEnvironment, wrapped: Any, table: Any, seed: int, share_of_rule: float) -> str:
    """Play one episode on both; says how it ended."""
    chance = random.Random(seed)
    environment.reset(seed)
    wrapped.reset(seed=seed)
    assert environment.agents == tuple(wrapped.agents)
    assert_same_table(environment, table)
    while True:
        actions = choose(environment, chance, share_of_rule)
        outcome = environment.step(actions)
        _, rewards, terminations, truncations, _ = wrapped.step(for_public_api(environment, actions))
        assert outcome.rewards == rewards
        assert terminations == dict.fromkeys(environment.agents, outcome.done)
        assert truncations == dict.fromkeys(environment.agents, outcome.truncated)
        assert_same_table(environment, table)
        assert (not wrapped.agents) == (outcome.done or outcome.truncated)
        if not wrapped.agents:
            return "done" if outcome.done else "truncated"


@pytest.mark.parametrize("action_mode", ["discrete", "continuous"])
@pytest.mark.parametrize("num_pistons", [10, 20])
def test_whole_episodes_are_equal(num_pistons: int, action_mode: Any) -> None:
    environment = PistonballEnvironment(num_pistons, action_mode=action_mode)
    wrapped, table = public_api(environment)
    ends = [play_both(environment, wrapped, table, seed, share) for seed, share in enumerate((0.9, 0.0, 0.9, 0.5))]
    assert {"done", "truncated"} <= set(ends)


def test_an_episode_with_pictures_is_equal() -> None:
    environment = PistonballEnvironment(10, max_cycles=40)
    play_both(environment, *public_api(environment, pictures=True), seed=5, share_of_rule=0.5)


@pytest.mark.parametrize("num_pistons", [2, 3, 5])
def test_small_tables_are_equal(num_pistons: int) -> None:
    environment = PistonballEnvironment(num_pistons, max_cycles=30, random_drop=False)
    wrapped, table = public_api(environment)
    for seed in range(5):
        play_both(environment, wrapped, table, seed, share_of_rule=0.5)


def test_a_win_in_the_last_cycle_is_both() -> None:
    won = PistonballEnvironment(10)
    won.reset(0)
    cycles = 1
    while not won.step(rule_actions(won)).done:
        cycles += 1
    environment = PistonballEnvironment(10, max_cycles=cycles)
    wrapped, table = public_api(environment)
    assert play_both(environment, wrapped, table, seed=0, share_of_rule=1.0) == "done"


def test_pictures_are_those_of_the_public_api() -> None:
    environment = PistonballEnvironment(4, max_cycles=6)
    wrapped, _ = public_api(environment, render_mode="rgb_array")
    environment.reset(2)
    wrapped.reset(seed=2)
    chance = random.Random(0)
    actions: list[dict[str, int | float]] = []
    expected: list[Any] = []
    for _ in range(6):
        actions.append(choose(environment, chance, 0.5))
        environment.step(actions[-1])
        wrapped.step(for_public_api(environment, actions[-1]))
        expected.append(wrapped.render())
    pictures = environment.frames(2, actions, scale=1)
    assert len(pictures) == 6
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(pictures, expected, strict=True))
    assert any(not np.array_equal(pictures[0], picture) for picture in pictures)
