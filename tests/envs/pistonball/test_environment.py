"""The table's contract beyond physics: parameters, misuse, state as data, pictures, silence."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import envs
from envs.pistonball import PistonballEnvironment
from textgrad_agents.errors import ConfigError, EnvError


def started(**parameters: Any) -> PistonballEnvironment:
    environment = PistonballEnvironment(**({"num_pistons": 5, "max_cycles": 10} | parameters))
    environment.reset(0)
    return environment


def all_do(environment: PistonballEnvironment, value: float) -> dict[str, int | float]:
    return dict.fromkeys(environment.agents, value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"num_pistons": 1}, "num_pistons must be a whole number from 2 to 1000, not 1"),
        ({"num_pistons": 1001}, "num_pistons"),
        ({"num_pistons": 2.5}, "num_pistons .* not 2.5"),
        ({"num_pistons": True}, "num_pistons"),
        ({"max_cycles": 0}, "max_cycles"),
        ({"action_mode": "both"}, 'action_mode must be "discrete" or "continuous", not \'both\''),
        ({"field_of_view": 0}, "field_of_view must be a number above 0, in piston widths, or None .*; not 0"),
        ({"field_of_view": float("nan")}, "field_of_view"),
        ({"field_of_view": float("inf")}, "field_of_view"),
        ({"field_of_view": "4"}, "field_of_view"),
    ],
)
def test_refuses_bad_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PistonballEnvironment(**parameters)


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pettingzoo", None)
    with pytest.raises(ConfigError, match=r"install textgrad-agents\[envs\]"):
        PistonballEnvironment()


@pytest.mark.parametrize("mode", ["discrete", "continuous"])
def test_push_up_raises_and_retract_down_lowers(mode: Any) -> None:
    environment = started(action_mode=mode, pistons_start_low=True)
    choices = environment.action_space.choices
    assert environment.heights == [0] * 5
    environment.step(all_do(environment, choices["retract_down"]))
    assert environment.heights == [0] * 5
    environment.step(all_do(environment, choices["push_up"]))
    environment.step(all_do(environment, choices["push_up"]))
    assert environment.heights == [8] * 5
    environment.step(all_do(environment, choices["stay"]))
    assert environment.heights == [8] * 5
    environment.step(all_do(environment, choices["retract_down"]))
    assert environment.heights == [4] * 5


def test_heights_end_at_64() -> None:
    environment = started(max_cycles=100, num_pistons=20, pistons_start_low=True)
    for _ in range(17):
        environment.step(all_do(environment, 2))
    assert environment.heights == [64] * 20


def test_continuous_values_beyond_the_ends_count_as_the_ends() -> None:
    environment = started(action_mode="continuous", pistons_start_low=True)
    environment.step(all_do(environment, 5.0))
    assert environment.heights == [4] * 5


@pytest.mark.parametrize(
    ("mode", "value"),
    [("discrete", 3), ("discrete", 0.5), ("discrete", "2"), ("continuous", "up"), ("continuous", None)],
)
def test_illegal_actions_are_refused(mode: Any, value: Any) -> None:
    environment = started(action_mode=mode)
    with pytest.raises(EnvError, match="step: an action is"):
        environment.step(all_do(environment, value))


def test_every_agent_has_to_act() -> None:
    environment = started()
    with pytest.raises(EnvError, match="4 of 5 actions came"):
        environment.step({f"piston_{i}": 1 for i in range(4)})
    with pytest.raises(EnvError, match="no action for piston_0; agents are piston_0 to piston_4"):
        environment.step({f"piston_{i}": 1 for i in range(1, 6)})


def test_an_episode_that_is_over_needs_a_reset() -> None:
    environment = PistonballEnvironment(5, max_cycles=1)
    with pytest.raises(EnvError, match=r"has not begun; call reset\(seed\)"):
        environment.step(all_do(environment, 1))
    with pytest.raises(EnvError, match="a seed is a whole number from 0, not -1"):
        environment.reset(-1)
    environment.reset(0)
    assert environment.step(all_do(environment, 1)).truncated
    with pytest.raises(EnvError, match="is over"):
        environment.step(all_do(environment, 1))
    assert environment.observe("piston_0")  # the last state can still be read
    environment.reset(0)
    environment.step(all_do(environment, 1))


def test_state_as_data() -> None:
    environment = started()
    before = environment.global_state()
    environment.step({"piston_0": 0, "piston_1": 1, "piston_2": 2, "piston_3": 2, "piston_4": 2})
    after = environment.global_state()
    assert (before["cycle"], after["cycle"]) == (0, 1)
    assert before["progress"] == 0
    moved = [new["position"] - old["position"] for old, new in zip(before["pistons"], after["pistons"], strict=True)]
    assert moved == [piston["velocity"] for piston in after["pistons"]]
    assert moved[1:] == [0, 4, 4, 4]
    assert [piston["index"] for piston in after["pistons"]] == [0, 1, 2, 3, 4]
    assert after["ball_position"][0] == pytest.approx(environment.ball_x, abs=0.01)


def test_start_low_changes_nothing_but_heights() -> None:
    low, usual = started(pistons_start_low=True).global_state(), started().global_state()
    assert {piston["position"] for piston in low["pistons"]} == {0}
    assert {piston["position"] for piston in usual["pistons"]} != {0}
    assert low | {"pistons": None} == usual | {"pistons": None}


def test_one_table_plays_many_episodes_alike() -> None:
    used, fresh = started(), PistonballEnvironment(5, 10)
    used.step(all_do(used, 2))
    used.reset(7)
    fresh.reset(7)
    assert used.global_state() == fresh.global_state()
    assert used.observe("piston_2") == fresh.observe("piston_2")


def test_pictures_leave_a_running_episode_alone_and_come_in_half_size() -> None:
    environment = started()
    actions = [all_do(environment, 2)] * 3
    before = environment.global_state()
    pictures = environment.frames(0, actions)
    assert environment.global_state() == before
    assert [(picture.shape, picture.dtype) for picture in pictures] == [((280, 140, 3), np.uint8)] * 3
    for scale in (0, -1, 5):
        with pytest.raises(ConfigError, match="scale"):
            environment.frames(0, actions, scale=scale)


def test_several_tables_do_not_disturb_each_other() -> None:
    alone, one, other = started(num_pistons=10), started(num_pistons=10), started(num_pistons=4)
    for _ in range(5):
        alone.step(all_do(alone, 2))
    for _ in range(5):
        one.step(all_do(one, 2))
        other.step(all_do(other, 0))
    other.close()
    assert one.global_state() == alone.global_state()


def test_rules_are_the_same_for_all_and_parameters_rebuild() -> None:
    environment = started(field_of_view=2.5, action_mode="continuous")
    twin = envs.make(**environment.parameters())
    assert twin.parameters() == environment.parameters()
    assert "within 100 px" in environment.rules
    assert "wherever it is" in started(field_of_view=None).rules


def test_runs_without_screen_and_prints_nothing() -> None:
    program = (
        "import envs\n"
        "environment = envs.make('pistonball', num_pistons=3, max_cycles=2)\n"
        "environment.reset(0)\n"
        "actions = dict.fromkeys(environment.agents, 2)\n"
        "environment.step(actions)\n"
        "assert environment.frames(0, [actions])[0].any()\n"
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("SDL_", "DISPLAY", "PYGAME_"))}
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
