"""Lamps: the tiny environment."""

from __future__ import annotations

import math

import pytest

from envs.lamps import LampsEnvironment
from textgrad_agents.errors import ConfigError, EnvError
from textgrad_agents.situations import find_situation

SITUATIONS = {"the lamp on my left is lit": 0, "the lamp on my right is lit": 2}


def play(environment: LampsEnvironment, seed: int, answers: dict[str, int]) -> tuple[float, int, bool]:
    environment.reset(seed)
    earned = 0.0
    for cycle in range(1, environment.max_cycles + 1):
        actions = {agent: answers[str(find_situation(environment.observe(agent)))] for agent in environment.agents}
        outcome = environment.step(actions)
        earned += outcome.rewards["keeper_0"]
        if outcome.done or outcome.truncated:
            return earned, cycle, outcome.done
    raise AssertionError("no end")


def test_answers_decide_the_return() -> None:
    environment = LampsEnvironment(num_agents=3, max_cycles=10)
    right, wrong, none = SITUATIONS, {s: 2 - a for s, a in SITUATIONS.items()}, dict.fromkeys(SITUATIONS, 1)
    assert play(environment, 1, right) == (pytest.approx(9.0), 10, False)
    assert play(environment, 1, none) == (pytest.approx(-1.0), 10, False)
    assert play(environment, 1, wrong) == (pytest.approx(-11.0), 10, False)


def test_the_goal_ends_the_episode() -> None:
    assert play(LampsEnvironment(goal=4), 0, SITUATIONS) == (pytest.approx(3.6), 4, True)


def test_both_situations_occur_and_are_role_wide() -> None:
    environment = LampsEnvironment(num_agents=4)
    environment.reset(0)
    seen = {find_situation(environment.observe(agent)) for agent in environment.agents}
    environment.reset(1)
    seen |= {find_situation(environment.observe(agent)) for agent in environment.agents}
    assert seen == SITUATIONS.keys()
    assert {environment.role_of(agent) for agent in environment.agents} == {"keeper"}


def test_an_agent_sees_its_own_lamps_only() -> None:
    environment = LampsEnvironment(num_agents=2)
    seen: dict[str, set[str]] = {"left": set(), "right": set()}
    for seed in range(20):
        environment.reset(seed)
        lit = environment.global_state()["lit"]
        seen[lit["keeper_0"]].add(environment.observe("keeper_0"))
    assert all(len(texts) == 1 for texts in seen.values())


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"num_agents": 0}, "num_agents"),
        ({"max_cycles": 0}, "max_cycles"),
        ({"goal": math.nan}, "goal"),
        ({"goal": 0}, "goal"),
    ],
)
def test_refuses_bad_parameters(parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LampsEnvironment(**parameters)  # type: ignore[arg-type]


def test_draws_no_pictures() -> None:
    with pytest.raises(NotImplementedError, match="lamps draws no pictures"):
        LampsEnvironment().frames(0, [])


def test_needs_a_reset() -> None:
    with pytest.raises(EnvError, match="call reset"):
        LampsEnvironment().step({"keeper_0": 0, "keeper_1": 0})
