"""Games in words of their own: what is said is what is there, and never which action is right."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from envs.multi_agent import DESCRIBERS, PettingZooEnvironment
from envs.multi_agent.connect_four import _run, _three
from envs.multi_agent.games import Game
from envs.multi_agent.knights_archers_zombies import _turn, _where
from envs.multi_agent.tictactoe import LINES, SQUARES, _line_of_two
from envs.registry import make
from textgrad_agents.situations import clauses_of, find_situation

DESCRIBED = [
    "classic/tictactoe-v3",
    "classic/connect_four-v3",
    "classic/rps-v2",
    "mpe2/simple_spread-v3",
    "butterfly/knights_archers_zombies-v11",
]


def sample(env: str, cycles: int = 60, **parameters: Any) -> Iterator[tuple[PettingZooEnvironment, str, str]]:
    """Observations of a random episode, with the environment as it is then; for reading one by one."""
    environment = PettingZooEnvironment(env, **parameters)
    chance = random.Random(1)
    environment.reset(1)
    for _ in range(cycles):
        for agent in environment.acting_agents:
            yield environment, agent, environment.observe(agent)
        actions = {
            agent: chance.choice(list(environment.action_space_of(agent).choices.values()))
            for agent in environment.acting_agents
        }
        outcome = environment.step(actions)
        if outcome.done or outcome.truncated:
            return


@pytest.mark.parametrize("env", DESCRIBED)
def test_every_observation_names_its_situation_in_clauses_that_rules_can_name(env: str) -> None:
    seen = {str(find_situation(text)) for _, _, text in sample(env)}
    assert len(seen) >= 3
    for situation in seen:
        assert clauses_of(situation)
        assert " and " not in situation  # rules join clauses with it
        assert not re.search(r"[.!?,:]", situation)


@pytest.mark.parametrize("env", DESCRIBED)
def test_no_text_says_what_to_do(env: str) -> None:
    advice = re.compile(r"\b(should|must|best|better|good|bad|right action|try|avoid|win by|block|advice|hint)\b")
    texts = {text for _, _, text in sample(env)}
    [environment] = {id(one): one for one, _, _ in sample(env, cycles=1)}.values()
    agent = environment.acting_agents[0] if environment.acting_agents else environment.agents[0]
    for text in (*texts, environment.rules, environment.action_space_of(agent).describe()):
        assert not advice.search(text.lower()), text


class Blind:
    """A game of which nothing is left but one observation and what never changes."""

    def __init__(self, game: Game, agent: str) -> None:
        self.seats = game.seats
        self.action_space = game.action_space
        self.raw = SimpleNamespace(use_typemasks=False, max_zombies=10, _moves=["ROCK", "PAPER", "SCISSORS", "None"])
        self._agent, self._kept = agent, game.observation(agent)

    def observation(self, seat: str) -> Any:
        assert seat == self._agent
        return self._kept


@pytest.mark.parametrize("env", DESCRIBED)
def test_actors_are_told_nothing_that_only_critics_may_know(env: str) -> None:
    """What an agent is told follows from PettingZoo's own observation of it, and from nothing else."""
    describer = DESCRIBERS.find(env.rsplit("-", 1)[0])
    for environment, agent, text in itertools.islice(sample(env), 40):
        game = environment._tables[environment._table_of[agent]].game
        assert describer(Blind(game, agent)).observe(agent) == text


# -- tic-tac-toe -----------------------------------------------------------------------------------------------------


def boards() -> list[tuple[list[bool], list[bool]]]:
    chance = random.Random(0)
    found = []
    for _ in range(300):
        marks = [chance.choice((0, 0, 1, 2)) for _ in range(9)]
        found.append(([mark == 1 for mark in marks], [mark == 2 for mark in marks]))
    return found


def test_two_in_line_are_seen_where_a_third_mark_would_make_three() -> None:
    for mine, theirs in boards():
        completing = [
            i
            for i in range(9)
            if not (mine[i] or theirs[i]) and any(i in line and sum(mine[j] for j in line) == 2 for line in LINES)
        ]
        told = _line_of_two(mine, theirs, "my")
        if completing:
            assert any(told.endswith(f"free square {SQUARES[i]}") for i in completing)
        else:
            assert told == "no two of my marks are in line with a free square"


def test_squares_lie_as_pettingzoo_draws_them() -> None:
    environment = PettingZooEnvironment("classic/tictactoe-v3", opponents="none", games=1)
    environment.reset(0)
    environment.step({"player_1": environment.action_space_of("player_1").choices["top"]})
    environment.step({"player_2": environment.action_space_of("player_2").choices["left"]})
    assert ". X .\nO . .\n. . ." in environment.describe_state()
    assert "I am player_1. My marks are X, theirs are O.\n. X .\nO . .\n" in environment.observe("player_1")
    frame = environment.frames(0, [{"player_1": 3}, {"player_2": 1}], scale=0.06)[1].astype(int)
    dark = [[int((frame[r : r + 20, c : c + 20] < 100).sum()) for c in (0, 20, 40)] for r in (0, 20, 40)]
    assert dark[2][2] < min(dark[0][1], dark[1][0])


# -- connect four ----------------------------------------------------------------------------------------------------


def test_three_in_line_are_seen_where_a_fourth_piece_would_end_the_game() -> None:
    told = 0
    for environment, agent, text in sample("classic/connect_four-v3", cycles=400, opponents="none", games=20):
        game = environment._tables[0].game
        planes = game.observation(agent).astype(bool)
        mine, theirs = planes[:, :, 0], planes[:, :, 1]
        winning = []
        for column in range(7):
            rows = [row for row in range(6) if not (mine | theirs)[row, column]]
            if rows:
                mine[rows[-1], column] = True
                if wins(mine):
                    winning.append(column)
                mine[rows[-1], column] = False
        clause = clauses_of(str(find_situation(text)))[0]
        if winning:
            told += 1
            assert clause == f"three of my pieces are in line with the next place in column_{winning[0]}"
        else:
            assert clause == "no three of my pieces are in line with a next place"
        assert _three(theirs, mine, "their") == clauses_of(str(find_situation(text)))[1]
    assert told > 5


def wins(pieces: np.ndarray) -> bool:
    """Four in a line, by looking at every place and direction."""
    for row, column, (down, right) in itertools.product(range(6), range(7), ((0, 1), (1, 0), (1, 1), (1, -1))):
        places = [(row + i * down, column + i * right) for i in range(4)]
        if all(0 <= r < 6 and 0 <= c < 7 and pieces[r, c] for r, c in places):
            return True
    return False


def test_a_line_is_counted_through_a_place_in_both_directions() -> None:
    pieces = np.zeros((6, 7), bool)
    pieces[5, [0, 1, 3, 4]] = True
    assert _run(pieces, 5, 2, 0, 1) == 4
    assert _run(pieces, 5, 5, 0, 1) == 2


# -- rock, paper, scissors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [3, 5, 7])
def test_what_beats_what_is_what_pettingzoo_rewards(moves: int) -> None:
    environment = make("pettingzoo", env="classic/rps-v2", opponents="none", options={"num_actions": moves})
    environment.reset(0)
    names = list(environment.action_space_of("player_0").choices)
    beats = {
        move: set(those.split(", ")) for move, those in re.findall(r"(\w+) beats ([\w, ]+?)(?:;|\.)", environment.rules)
    }
    for one, other in itertools.product(range(moves), repeat=2):
        environment.reset(0)
        rewards = environment.step({"player_0": one, "player_1": other}).rewards
        assert (names[other] in beats[names[one]]) == (rewards["player_0"] == 1)
        assert environment.observe("player_0").endswith(f"the other's last move was {names[other]}")


# -- simple spread ---------------------------------------------------------------------------------------------------


def test_places_are_those_of_the_world() -> None:
    for environment, agent, text in itertools.islice(sample("mpe2/simple_spread-v3"), 60):
        world = environment._tables[0].game.raw.world
        state = environment.global_state()["tables"][0]["positions"]
        for entity in (*world.agents, *world.landmarks):
            assert state[entity.name.replace(" ", "_")] == pytest.approx(entity.state.p_pos, abs=1e-3)
        me = next(one for one in world.agents if one.name == agent).state.p_pos
        free = [
            mark.state.p_pos
            for mark in world.landmarks
            if min(world.agents, key=lambda one: np.linalg.norm(one.state.p_pos - mark.state.p_pos)).name == agent
        ]
        clause = clauses_of(str(find_situation(text)))[0]
        if not free:
            assert clause == "other agents are nearer to every landmark"
            continue
        x, y = min((place - me for place in free), key=np.linalg.norm)
        if np.hypot(x, y) <= 0.1:
            assert clause.endswith("is here")
        else:
            sides = {(True, True): "on the left", (True, False): "on the right", (False, True): "below"}
            side = sides.get((abs(x) >= abs(y), (x if abs(x) >= abs(y) else y) < 0), "above")
            assert clause == f"the nearest landmark that nobody is nearer to is {side}"


def test_pushes_move_as_they_are_called() -> None:
    for name, axis, sign in (("move_left", 0, -1), ("move_right", 0, 1), ("move_down", 1, -1), ("move_up", 1, 1)):
        environment = make("pettingzoo", env="mpe2/simple_spread-v3", games=1)
        environment.reset(2)
        before = environment.global_state()["tables"][0]["positions"]["agent_0"][axis]
        for _ in range(3):
            space = environment.action_space_of("agent_0")
            environment.step({"agent_0": space.choices[name], "agent_1": 0, "agent_2": 0})
        assert (environment.global_state()["tables"][0]["positions"]["agent_0"][axis] - before) * sign > 0.05


# -- knights, archers, zombies ---------------------------------------------------------------------------------------


def test_directions_are_seen_from_where_one_looks() -> None:
    up = (0.0, -1.0)  # the screen's y grows downwards
    assert _turn(*up, 0, -5) == pytest.approx(0)
    assert _turn(*up, 5, 0) == pytest.approx(90)
    assert _turn(*up, -5, 0) == pytest.approx(-90)
    assert [_where(turn) for turn in (0, 9, -9, 40, -40, 170, -170)] == [
        "straight ahead",
        "straight ahead",
        "straight ahead",
        "on my right",
        "on my left",
        "behind me",
        "behind me",
    ]


@pytest.mark.parametrize("method", ["vector", "vector-masked", "vector-sequence"])
def test_zombies_are_told_where_they_are(method: str) -> None:
    found = 0
    parameters = {"options": {"obs_method": method, "spawn_delay": 3}}
    for environment, agent, text in sample("butterfly/knights_archers_zombies-v11", cycles=25, **parameters):
        raw = environment._tables[0].game.raw
        me = raw.agent_map[agent]
        away = sorted(np.hypot(z.rect.x - me.rect.x, z.rect.y - me.rect.y) for z in raw.zombie_list)
        told = [float(number) for number in re.findall(r"A zombie (\d+) px away", text)]
        assert told == pytest.approx(away[:3], abs=1)
        assert ("I see no zombie" in text) == (not away)
        found += bool(away)
    assert found > 20


def test_turning_right_turns_to_what_is_on_the_right() -> None:
    environment = make("pettingzoo", env="butterfly/knights_archers_zombies-v11", options={"spawn_delay": 3})
    environment.reset(0)
    for _ in range(6):
        environment.step(dict.fromkeys(environment.acting_agents, 5))
    degrees = []
    for _ in range(2):
        text = environment.observe("archer_0")
        amount, side = re.findall(r"away, (\d+) degrees to my (\w+)", text)[0]
        degrees.append(int(amount) if side == "right" else -int(amount))
        environment.step({agent: 3 if agent == "archer_0" else 5 for agent in environment.acting_agents})
    assert degrees[1] == pytest.approx(degrees[0] - 10, abs=4)
