"""Every installed game runs: the described ones in words of their own, the others through the fallback."""

from __future__ import annotations

from typing import Any

import pytest

import envs
from envs import check_environment
from envs.multi_agent import DESCRIBERS
from envs.multi_agent.opening import game_key

DESCRIBED: list[tuple[str, dict[str, Any]]] = [
    ("classic/tictactoe-v3", {"games": 3}),
    ("classic/tictactoe-v3", {"opponents": "none", "games": 2}),
    ("classic/connect_four-v3", {"games": 1}),
    ("classic/connect_four-v3", {"opponents": "self", "games": 1}),
    ("classic/rps-v2", {}),
    ("classic/rps-v2", {"opponents": "none", "options": {"num_actions": 5}}),
    ("mpe2/simple_spread-v3", {"games": 1}),
    ("mpe2/simple_spread-v3", {"games": 1, "options": {"continuous_actions": True}, "max_cycles": 10}),
    ("butterfly/knights_archers_zombies-v11", {"max_cycles": 50}),
    ("butterfly/knights_archers_zombies-v11", {"max_cycles": 30, "options": {"obs_method": "vector-sequence"}}),
    ("butterfly/pistonball-v6", {"max_cycles": 3, "options": {"n_pistons": 3}}),
]
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("butterfly/cooperative_pong-v6", {"max_cycles": 4}),
    ("classic/go-v5", {"max_cycles": 12, "options": {"board_size": 5}}),
    ("sisl/pursuit-v5", {"max_cycles": 3, "options": {"n_pursuers": 3}}),
    ("mpe2/simple-v3", {}),
    ("mpe2/simple_adversary-v3", {}),
    ("mpe2/simple_crypto-v3", {}),
    ("mpe2/simple_push-v3", {}),
    ("mpe2/simple_reference-v3", {"max_cycles": 10}),
    ("mpe2/simple_speaker_listener-v4", {}),
    ("mpe2/simple_tag-v3", {"max_cycles": 10}),
    ("mpe2/simple_world_comm-v3", {"max_cycles": 5}),
]


@pytest.mark.parametrize(("env", "parameters"), DESCRIBED)
def test_described_games_keep_the_contract(env: str, parameters: dict[str, Any]) -> None:
    assert game_key(env) in DESCRIBERS.names()
    check_environment(envs.make("pettingzoo", env=env, **parameters), seed=2)


@pytest.mark.parametrize(("env", "parameters"), OTHERS)
def test_all_other_games_keep_it_through_the_fallback(env: str, parameters: dict[str, Any]) -> None:
    assert game_key(env) not in DESCRIBERS.names()
    environment = envs.make("pettingzoo", env=env, **parameters)
    check_environment(environment, seed=2)
    assert len(environment.rules) > 200


def test_five_games_beside_pistonball_are_described_and_more_than_ten_others_are_walked() -> None:
    assert {game_key(env) for env, _ in DESCRIBED} == set(DESCRIBERS)
    assert len(OTHERS) >= 10
