"""Games of both interfaces: who acts, what is legal, deaths, ends, failures; and games by name."""

from __future__ import annotations

from typing import Any

import pytest

from envs import faults
from envs.multi_agent.games import AecGame, Game, ParallelGame
from envs.multi_agent.opening import game_key, open_game
from textgrad_agents.errors import ConfigError, EnvError


def play(game: Game, moves: list[dict[str, Any]]) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    """Who acted before each move, and what everybody earned by it."""
    game.reset(0)
    seen: list[tuple[tuple[str, ...], dict[str, float]]] = []
    for move in moves:
        acting = game.acting
        seen.append((acting, game.step(move)))
    return seen


def test_in_a_parallel_game_all_living_agents_act() -> None:
    game = open_game("little_games:Leaving", {})
    assert isinstance(game, ParallelGame)
    assert game.seats == ("a", "b", "c")
    told = play(game, [{"a": 0, "b": 0, "c": 0}, {"a": 0, "b": 1, "c": 0}, {"a": 1, "c": 1}])
    assert told == [
        (("a", "b", "c"), {"a": 0, "b": 0, "c": 0}),
        (("a", "b", "c"), {"a": 0, "b": 2, "c": 0}),
        (("a", "c"), {"a": 3, "b": 0, "c": 3}),
    ]
    assert game.living == ()
    assert not game.truncated


def test_a_parallel_game_that_is_cut_says_so() -> None:
    game = open_game("little_games:Leaving", {"rounds": 2})
    play(game, [dict.fromkeys("abc", 0)] * 2)
    assert (game.living, game.truncated) == ((), True)


def test_masks_come_from_infos_too() -> None:
    game = open_game("little_games:Leaving", {})
    game.reset(0)
    assert game.mask("a").tolist() == [1, 0]
    game.step(dict.fromkeys("abc", 0))
    assert game.mask("a").tolist() == [1, 1]
    assert game.observation("a") == 1


def test_in_an_aec_game_one_agent_acts_and_the_dead_are_passed_over() -> None:
    game = open_game("little_games:Taking", {})
    assert isinstance(game, AecGame)
    moves = [{"p_0": 1}, {"p_1": 1}, {"p_2": 1}, {"p_0": 2}, {"p_1": 1}, {"p_0": 1}]
    told = play(game, moves)
    assert [acting for acting, _ in told] == [("p_0",), ("p_1",), ("p_2",), ("p_0",), ("p_1",), ("p_0",)]
    assert told[-1][1] == {"p_0": -2, "p_1": 1, "p_2": 0}
    assert all(set(rewards.values()) == {0} for _, rewards in told[:-1])
    assert (game.acting, game.living, game.truncated) == ((), (), False)


def test_the_mask_is_no_part_of_what_is_seen() -> None:
    game = open_game("little_games:Taking", {})
    game.reset(0)
    assert game.observation("p_0").tolist() == [7]
    assert game.mask("p_0").tolist() == [1, 1]


def test_a_game_that_remembers_is_made_anew() -> None:
    game = open_game("little_games:Remembering", {})
    for _ in range(2):
        game.reset(0)
        assert game.observation("a") == 0
        game.step(dict.fromkeys("abc", 0))


def test_a_used_game_of_a_user_is_closed() -> None:
    game = open_game("little_games:Leaving", {})
    first = game.raw
    game.reset(0)
    assert not first.closed
    game.reset(0)
    assert first.closed
    last = game.raw
    game.close()
    assert last.closed


def test_games_drawn_by_pygame_do_not_end_pygame_for_others() -> None:
    pictures = {"render_mode": "rgb_array"}
    one, other = (open_game("classic/rps-v2", pictures) for _ in range(2))
    one.reset(0)
    other.reset(0)
    one.close()
    assert other.render().shape[2] == 3


def test_whatever_a_game_raises_is_an_env_error() -> None:
    game = open_game("little_games:Breaking", {})
    game.reset(0)
    game.step(dict.fromkeys("abc", 0))
    with pytest.raises(EnvError, match="little_games:Breaking failed to take a step: KeyError: 'the cable is out'"):
        game.step(dict.fromkeys("abc", 0))


def test_a_game_that_does_not_close_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "CLOSING_SECONDS", 0.05)
    game = open_game("little_games:Sticking", {})
    game.reset(0)
    for again in (game.close, lambda: game.reset(1)):
        with pytest.raises(EnvError, match=r"little_games:Sticking did not close within 0\.05 s and was left behind"):
            again()


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("classic/tictactoe-v3", "classic/tictactoe-v3"),
        ("classic/tictactoe_v3", "classic/tictactoe-v3"),
        ("classic/tictactoe", "classic/tictactoe-v3"),
        ("mpe2/simple_spread-v3", "mpe2/simple_spread-v3"),
        ("mpe2/simple_spread_v3", "mpe2/simple_spread-v3"),
        ("little_games:Leaving", "little_games:Leaving"),
    ],
)
def test_names(name: str, title: str) -> None:
    assert open_game(name, {}).title == title


def test_the_key_of_a_game_has_no_version() -> None:
    assert {game_key(f"classic/rps{version}") for version in ("", "-v2", "_v2")} == {"classic/rps"}
    assert game_key("my_games:make") == "my_games:make"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("classic/tictacto-v3", {}, "there is no game classic/tictacto-v3; did you mean classic/tictactoe-v3"),
        ("classic/tictactoe-v9", {}, "there is no game classic/tictactoe-v9; there is classic/tictactoe-v3"),
        ("mpe2/simple_spread", {}, "there is no game mpe2/simple_spread; did you mean|PettingZoo has"),
        ("nowhere/game-v1", {}, "nowhere/game-v1 is in nowhere.game_v1, which cannot be imported"),
        ("mpe2/simple_nothing-v3", {}, "mpe2.simple_nothing_v3, which cannot be imported"),
        ("little_games:Nothing", {}, "should be Nothing in little_games, which has no such function"),
        ("little_games:no_game", {}, "builds object; a game is an AECEnv or a ParallelEnv"),
        ("a game", {}, "names no game"),
        ("classic/rps-v2", {"num_actions": 4}, r"cannot be made with the options given \(num_actions\)"),
        ("classic/rps-v2", {"speed": 4}, "unexpected keyword argument 'speed'"),
        ("classic/chess-v6", {}, "classic/chess-v6 needs what is not installed"),
    ],
)
def test_a_name_or_an_option_that_leads_nowhere_is_said_in_one_line(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_game(name, options)
    assert "\n" not in str(caught.value)
