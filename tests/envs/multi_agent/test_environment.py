"""Any game as an environment: tables, opponents, matches, seats, refusals, frames."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

import envs
from envs import StepOutcome, check_environment
from envs.multi_agent import DESCRIBERS, Describer, PettingZooEnvironment
from textgrad_agents.errors import ConfigError, EnvError


def make(env: str, **parameters: Any) -> PettingZooEnvironment:
    return PettingZooEnvironment(env, **parameters)


def play(environment: PettingZooEnvironment, seed: int, choice: Any = None) -> list[tuple[dict[str, Any], StepOutcome]]:
    """An episode; `choice` gives an agent's action from its legal ones (else one is drawn)."""
    environment.reset(seed)
    chance = random.Random(seed)
    cycles: list[tuple[dict[str, Any], StepOutcome]] = []
    while not cycles or not (cycles[-1][1].done or cycles[-1][1].truncated):
        legal = {agent: environment.action_space_of(agent).choices for agent in environment.acting_agents}
        actions = {
            agent: choice(agent, names) if choice else chance.choice(list(names.values()))
            for agent, names in legal.items()
        }
        cycles.append((actions, environment.step(actions)))
    return cycles


@pytest.mark.parametrize(
    ("env", "parameters"),
    [
        ("little_games:Leaving", {}),
        ("little_games:Leaving", {"seats": ["b"], "games": 3}),
        ("little_games:Leaving", {"opponents": "random"}),
        ("little_games:Taking", {"opponents": "none", "games": 2}),
        ("little_games:Taking", {"opponents": "random"}),
        ("little_games:Taking", {"opponents": "self", "max_cycles": 3}),
        ("little_games:Odd", {}),
    ],
)
def test_little_games_keep_the_contract(env: str, parameters: dict[str, Any]) -> None:
    check_environment(make(env, **parameters), seed=5)


def test_it_is_made_by_name_and_again_from_its_parameters() -> None:
    environment = envs.make("pettingzoo", env="classic/tictactoe_v3")
    parameters = environment.parameters()
    assert json.loads(json.dumps(parameters)) == parameters
    assert parameters == {
        "name": "pettingzoo",
        "env": "classic/tictactoe-v3",
        "max_cycles": 1000,
        "opponents": "random",
        "seats": ["player_1", "player_2"],
        "games": 50,
        "options": {},
        "pictures": False,
        "frame_size": [64, 64],
        "stack_size": 4,
    }


def test_at_one_table_agents_take_turns_and_all_are_rewarded() -> None:
    environment = make("little_games:Taking")
    environment.reset(0)
    order: list[str] = []
    while environment.acting_agents:
        order += environment.acting_agents
        outcome = environment.step(dict.fromkeys(environment.acting_agents, 0))
    assert order == ["p_0", "p_1", "p_2", "p_0", "p_1", "p_0", "p_1"]
    assert outcome == StepOutcome({"p_0": 1.0, "p_1": -2.0, "p_2": 0.0}, done=True)


def test_only_acting_agents_are_told_and_asked() -> None:
    environment = make("little_games:Taking")
    environment.reset(0)
    for call in (environment.observe, environment.action_space_of, environment.picture):
        if call == environment.picture:
            assert call("p_1") is None
            continue
        with pytest.raises(EnvError, match="p_1 does not act now; p_0 does"):
            call("p_1")
    with pytest.raises(EnvError, match="p_0 act in this cycle; actions came for p_0, p_1"):
        environment.step({"p_0": 0, "p_1": 0})


def test_who_is_out_acts_no_more() -> None:
    environment = make("little_games:Leaving")
    environment.reset(0)
    environment.step(dict.fromkeys("abc", 0))
    outcome = environment.step({"a": 0, "b": 1, "c": 0})
    assert (outcome.rewards, outcome.done) == ({"a": 0.0, "b": 2.0, "c": 0.0}, False)
    assert environment.acting_agents == ("a", "c")


def test_an_illegal_action_is_refused_and_names_the_legal_ones() -> None:
    environment = make("little_games:Leaving")
    environment.reset(0)
    with pytest.raises(EnvError, match=r"step: b can choose 0 \(action_0\), not 1"):
        environment.step({"a": 0, "b": 1, "c": 0})
    assert environment.global_state()["cycle"] == 0


def test_a_game_that_is_cut_is_truncated_and_one_that_is_left_is_done() -> None:
    stayed = play(make("little_games:Leaving", options={"rounds": 3}), 0, lambda agent, names: 0)
    assert (len(stayed), stayed[-1][1].done, stayed[-1][1].truncated) == (3, False, True)
    left = play(make("little_games:Leaving"), 0, lambda agent, names: max(names.values()))
    assert (len(left), left[-1][1].done, left[-1][1].truncated) == (2, True, False)
    cut = play(make("little_games:Leaving", max_cycles=2), 0, lambda agent, names: 0)
    assert (len(cut), cut[-1][1].done, cut[-1][1].truncated) == (2, False, True)


# -- opponents -------------------------------------------------------------------------------------------------------


def test_against_random_opponents_each_seat_has_a_table_of_its_own() -> None:
    environment = make("classic/tictactoe-v3", games=1)
    environment.reset(4)
    assert environment.acting_agents == ("player_1", "player_2")
    first, second = environment.global_state()["tables"]
    assert first["board"].count(None) == 9
    assert second["board"].count("player_1") == 1
    assert "the team's score is the mean over these tables" in environment.rules


def test_random_opponents_are_random_and_as_good_as_a_random_team() -> None:
    environment = make("classic/tictactoe-v3", games=200)
    rewards = Counter[str]()
    for _, outcome in play(environment, 1):
        rewards.update(outcome.rewards)
    # the first of two random players wins 58.5 % of games and loses 28.8 %: +0.297 a game, standard error 0.06
    assert rewards["player_1"] / 200 == pytest.approx(0.297, abs=0.2)
    assert rewards["player_2"] / 200 == pytest.approx(-0.297, abs=0.2)


def test_seats_that_do_not_learn_play_at_random() -> None:
    environment = make("classic/connect_four-v3", seats=["player_1"], opponents="none", games=1)
    assert environment.agents == ("player_1",)
    cycles = play(environment, 3)
    assert all(set(actions) == {"player_1"} for actions, _ in cycles)
    assert sum(outcome.rewards["player_1"] for _, outcome in cycles) in (-1, 0, 1)
    assert "player_1 decide; all other seats are played at random" in environment.rules


def test_a_match_is_several_games_in_a_row() -> None:
    environment = make("classic/tictactoe-v3", games=3, opponents="none")
    cycles = play(environment, 0)
    decided = [outcome for _, outcome in cycles if any(outcome.rewards.values())]
    assert [outcome.done for _, outcome in cycles].count(True) == 1
    assert 3 * 5 <= len(cycles) <= 3 * 9
    assert len(decided) <= 3
    assert "An episode is 3 games in a row." in environment.rules


def test_games_of_a_match_differ_and_matches_repeat() -> None:
    environment = make("classic/tictactoe-v3", games=6, seats=["player_2"])
    starts: list[Any] = []
    for _ in range(2):
        environment.reset(7)
        seen = []
        while environment.acting_agents:
            board = environment.global_state()["tables"][0]["board"]
            if board.count(None) == 8:
                seen.append(board.index("player_1"))
            environment.step({"player_2": min(environment.action_space_of("player_2").choices.values())})
        starts.append(seen)
    assert starts[0] == starts[1]
    assert len(set(starts[0])) > 1


def test_self_play_is_scored_against_random_opponents() -> None:
    environment = make("classic/tictactoe-v3", opponents="self", games=4)
    assert sum(sum(outcome.rewards.values()) for _, outcome in play(environment, 0)) == 0
    yardstick = environment.yardstick()
    assert yardstick.parameters() == environment.parameters() | {"opponents": "random"}
    assert yardstick.agents == environment.agents
    assert yardstick.yardstick() is yardstick


def test_what_is_competitive_is_played_against_random_opponents_unless_somebody_says_otherwise() -> None:
    assert make("classic/rps-v2").parameters()["opponents"] == "random"
    assert make("classic/rps-v2", opponents="none").parameters()["opponents"] == "none"
    assert make("mpe2/simple_spread-v3").parameters()["opponents"] == "none"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"seats": ["player_9"]}, "seats of classic/rps-v2 are player_0, player_1, not player_9"),
        ({"seats": []}, "seats of classic/rps-v2 are player_0, player_1, not none"),
        ({"games": 0}, "games must be a whole number from 1"),
        ({"max_cycles": 0}, "max_cycles must be a whole number from 1"),
        ({"opponents": "strong"}, "opponents must be none, random, self, not 'strong'"),
        ({"pictures": True}, "agents of classic/rps-v2 see no pictures but Discrete"),
    ],
)
def test_parameters_that_cannot_be_used(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make("classic/rps-v2", **parameters)


# -- failures --------------------------------------------------------------------------------------------------------


def test_a_game_that_fails_in_the_middle_ends_the_episode_and_a_reset_begins_another() -> None:
    environment = make("little_games:Breaking")
    environment.reset(0)
    environment.step(dict.fromkeys("abc", 0))
    with pytest.raises(EnvError, match="the cable is out"):
        environment.step(dict.fromkeys("abc", 0))
    with pytest.raises(EnvError, match="the episode is over"):
        environment.step(dict.fromkeys("abc", 0))
    environment.reset(0)
    assert environment.acting_agents == ("a", "b", "c")


# -- pictures of episodes --------------------------------------------------------------------------------------------


def test_frames_draw_the_recorded_episode_table_beside_table() -> None:
    environment = make("classic/tictactoe-v3", games=2)
    actions = [taken for taken, _ in play(environment, 5)]
    environment.reset(9)
    frames = environment.frames(5, actions, scale=0.1)
    assert len(frames) == len(actions)
    assert {frame.shape for frame in frames} == {(100, 208, 3)}
    assert len({frame.tobytes() for frame in frames}) > len(frames) // 2
    assert environment.global_state()["cycle"] == 0
    assert np.array_equal(frames[-1], environment.frames(5, actions, scale=0.1)[-1])


def test_a_game_that_cannot_draw_says_so() -> None:
    with pytest.raises(NotImplementedError, match="little_games:Leaving draws no pictures"):
        make("little_games:Leaving").frames(0, [])
    with pytest.raises(ConfigError, match="scale"):
        make("classic/rps-v2").frames(0, [], scale=0)


# -- describers ------------------------------------------------------------------------------------------------------


class Counted(Describer):
    games = 2

    def observe(self, seat: str) -> str:
        return f"{seat} in round {self.game.observation(seat)}"


def test_a_describer_of_ones_own_is_known_by_the_name_of_the_game(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DESCRIBERS, "little_games:Leaving", Counted)
    environment = make("little_games:Leaving")
    environment.reset(0)
    assert environment.observe("a") == "a in round 0"
    assert environment.parameters()["games"] == 2
    check_environment(environment)


def test_without_a_describer_the_game_is_told_by_its_documentation_and_its_numbers() -> None:
    environment = make("little_games:Leaving")
    environment.reset(0)
    assert "shapes that real games have" in environment.rules
    assert environment.observe("a") == "I am a.\nI observe: 0\nSituation: I observe 0"
    assert environment.describe_state() == "a observes: 0\nb observes: 0\nc observes: 0"
    assert environment.global_state() == {
        "cycle": 0,
        "tables": [{"seats": ["a", "b", "c"], "games_played": 0, "observations": {"a": 0, "b": 0, "c": 0}}],
    }
