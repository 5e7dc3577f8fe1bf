"""Agents that see pictures: the real SuperSuit chain, deaths, and a multimodal actor that gets them."""

from __future__ import annotations

import asyncio
import base64
import io
import random
from typing import Any

import numpy as np
import pytest
import supersuit
from pettingzoo import make as make_game
from PIL import Image

import envs
from envs import check_environment
from envs.multi_agent import PettingZooEnvironment
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError
from training.acting import LanguageTeam
from training.config import TrainingConfig
from training.export import load_episode, write_episode
from training.rollout import rollout

PISTONBALL = {"n_pistons": 3, "continuous": False, "max_cycles": 6}
ZOMBIES = "butterfly/knights_archers_zombies-v11"


def pistonball(**parameters: Any) -> PettingZooEnvironment:
    given: dict[str, Any] = {"options": PISTONBALL, "pictures": True, "frame_size": (40, 24), "stack_size": 3}
    return PettingZooEnvironment("butterfly/pistonball-v6", **given | parameters)


def test_a_picture_is_what_supersuit_gives() -> None:
    """Against the same wrappers put together by hand, around a game of their own."""
    environment = pistonball()
    environment.reset(3)
    plain: Any = make_game("parallel", "butterfly/pistonball-v6", render_mode="rgb_array", **PISTONBALL)
    chain = supersuit.resize_v1(supersuit.color_reduction_v0(plain, mode="full"), x_size=40, y_size=24)
    chain = supersuit.frame_stack_v1(chain, 3)
    from textgrad_agents.seeds import derive_seed

    table_seed = derive_seed(3, *environment.agents)
    seen, _ = chain.reset(seed=derive_seed(table_seed, "game", 0) % 2**31)
    chance = random.Random(0)
    for _ in range(5):
        for agent in environment.agents:
            picture = environment.picture(agent)
            assert picture is not None
            assert (picture.shape, picture.dtype) == ((24, 120), np.uint8)
            for k in range(3):
                assert np.array_equal(picture[:, 40 * k : 40 * (k + 1)], seen[agent][:, :, k])
        actions = {agent: chance.randrange(3) for agent in environment.agents}
        environment.step(actions)
        seen, *_ = chain.step(actions)


def test_what_moves_is_seen_to_move() -> None:
    environment = pistonball(stack_size=2, options=PISTONBALL | {"n_pistons": 8})
    environment.reset(1)
    environment.step(dict.fromkeys(environment.agents, 2))
    picture = environment.picture("piston_1")
    assert picture is not None
    assert not np.array_equal(picture[:, :40], picture[:, 40:])


@pytest.mark.parametrize(
    "environment",
    [
        pistonball(),
        PettingZooEnvironment(ZOMBIES, pictures=True, max_cycles=4, frame_size=(16, 16), stack_size=2),
        PettingZooEnvironment("butterfly/cooperative_pong-v6", pictures=True, max_cycles=4, stack_size=1),
    ],
    ids=lambda one: str(one.parameters()["env"]),
)
def test_games_in_pictures_keep_the_contract(environment: PettingZooEnvironment) -> None:
    check_environment(environment, seed=1)


def test_who_is_out_sees_black_and_is_not_asked() -> None:
    """Deaths and the end are those of the game itself, though black death keeps the dead among the agents."""
    options = {"spawn_delay": 2, "max_zombies": 40, "num_knights": 1, "num_archers": 1}
    seen = PettingZooEnvironment(ZOMBIES, pictures=True, frame_size=(8, 8), stack_size=1, options=options)
    told = PettingZooEnvironment(ZOMBIES, options=options)
    chance = random.Random(4)
    seen.reset(11)
    told.reset(11)
    acted: list[int] = []
    while True:
        assert seen.acting_agents == told.acting_agents
        acted.append(len(seen.acting_agents))
        for agent in seen.acting_agents:
            picture = seen.picture(agent)
            assert picture is not None
            assert picture.any()
        actions = {agent: chance.choice((0, 0, 0, 4)) for agent in seen.acting_agents}
        outcome, plain = seen.step(actions), told.step(actions)
        assert (outcome.rewards, outcome.done, outcome.truncated) == (plain.rewards, plain.done, plain.truncated)
        if outcome.done:
            break
    assert 1 in acted


def decoded(message: Any) -> np.ndarray:
    """The picture in a message."""
    parts = message.deserialized_content
    [url] = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    kind, _, data = url.partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_multimodal_actor_gets_the_picture_in_its_message(tmp_path: Any) -> None:
    environment = pistonball()
    shown: list[tuple[str, np.ndarray]] = []

    def look(messages: Any, options: Any) -> str:
        """Raise the piston where the newest picture is brighter below than above."""
        picture = decoded(messages[-1])
        shown.append((messages[-1].text, picture))
        newest = picture[:, 80:]
        return "2" if newest[12:].mean() > newest[:12].mean() else "0"

    team = LanguageTeam(environment, dict.fromkeys(environment.agents, "Look."), ScriptedEngine(look), 0.0)
    episode = asyncio.run(rollout(environment, team, (0, "train", 0, 0)))
    assert episode.length == 6
    assert len(shown) == 18
    assert all("I am piston_" in text and "the last 3 cycles, the newest on the right" in text for text, _ in shown)
    assert {picture.shape for _, picture in shown} == {(24, 120)}
    step = episode.trajectories[1].steps[4]
    assert step.messages[1].is_multimodal
    assert any(np.array_equal(decoded(step.messages[1]), picture) for _, picture in shown)
    write_episode(tmp_path, episode)
    assert load_episode(tmp_path) == episode


def test_pistonball_in_pictures_is_a_setting() -> None:
    config = TrainingConfig(num_pistons=3, pictures=True, max_cycles=4, frame_size=(20, 10), stack_size=1)
    environment = config.environment.make()
    environment.reset(0)
    picture = environment.picture("piston_2")
    assert picture is not None
    assert picture.shape == (10, 20)
    assert environment.observe("piston_2") == "I am piston_2.\nThe picture shows what I see now."
    assert list(environment.action_space_of("piston_0").choices) == ["retract_down", "stay", "push_up"]
    assert environment.global_state()["tables"][0]["heights"].keys() == {"piston_0", "piston_1", "piston_2"}
    assert "Ball at x" in environment.describe_state()


def test_without_pictures_nobody_sees_one() -> None:
    environment = envs.make("lamps")
    environment.reset(0)
    assert environment.picture("keeper_0") is None


@pytest.mark.parametrize("env", ["classic/tictactoe-v3", "mpe2/simple_spread-v3"])
def test_games_without_pictures_are_refused(env: str) -> None:
    with pytest.raises(ConfigError, match=r"is played in turns; pictures|see no pictures but"):
        PettingZooEnvironment(env, pictures=True)
