"""EpisodeGenerator as its users call it."""

import json

import pytest

from envs.pistonball import PistonballEnvironment
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import ConfigError, EnvError
from training.drawing import draw_episode
from training.episode_generator import EpisodeGenerator
from training.export import load_episode
from training.scores import summarise


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def small(**settings):
    return EpisodeGenerator(**{"num_pistons": 4, "max_cycles": 10, "exp_name": "small", **settings})


def test_one_episode_by_the_rule_with_its_picture(tmp_path):
    generator = EpisodeGenerator(num_pistons=20, max_cycles=125, action_mode="discrete", agent_type="rule")
    reward, steps, gif_path = generator.render_single_episode(save_path="./my_episode.gif", fps=30)
    assert reward > 80
    assert 10 < steps < 125
    assert gif_path == "./my_episode.gif"
    assert (tmp_path / "my_episode.gif").read_bytes()[:6] == b"GIF89a"


def test_several_episodes_are_written_and_given_back(tmp_path):
    episodes = small(agent_type="rule").generate_episodes(num_episodes=2, iteration=3, save_gif=True, gif_fps=30)
    assert [episode["episode_id"] for episode in episodes] == [0, 1]
    for episode in episodes:
        folder = tmp_path / "experiments" / "small" / "iteration_3" / f"episode_{episode['episode_id']}"
        stored = json.loads((folder / "episode.json").read_text())
        assert stored["total_reward"] == episode["total_reward"]
        assert (folder / f"episode_{episode['episode_id']}.gif").exists()
        assert episode["agent_type"] == "rule"
        assert len(episode["transitions"][0]["agents"]) == 4


def test_without_policies_the_rule_plays_with_policies_the_model():
    engine = ScriptedEngine(lambda messages, options: "2")
    generator = small(engine=engine)
    [ruled] = generator.generate_episodes(1, save_gif=False)
    assert not engine.calls
    policies = {f"piston_{i}": {"policy": "go up"} for i in range(4)}
    [asked] = generator.generate_episodes(1, agent_policies=policies, save_gif=False)
    assert (ruled["agent_type"], asked["agent_type"]) == ("rule", "llm")
    decision = asked["transitions"][0]["agents"]["piston_0"]
    assert (decision["action"], decision["action_name"], decision["gpt_query_response"]) == (2, "push_up", "2")
    assert "go up" in decision["observation_to_gpt"]


def test_an_evaluation_is_summarised_and_written(tmp_path):
    summary = small(agent_type="rule").evaluate_policy(num_episodes=3, save_dir="out")
    assert json.loads((tmp_path / "out" / "evaluation_summary.json").read_text()) == summary
    assert summary["num_episodes"] == len(summary["all_rewards"]) == len(summary["episode_results"]) == 3
    low, high = summary["interval_95"]
    assert low <= summary["mean_reward"] <= high
    assert len(summary["gif_paths"]) == 3


def test_films_beside_pictures_and_afterwards(tmp_path):
    small(agent_type="rule").generate_episodes(1, save_mp4=True)
    folder = tmp_path / "experiments" / "small" / "iteration_0" / "episode_0"
    film = (folder / "episode_0.mp4").read_bytes()
    assert film[4:8] == b"ftyp"
    assert (folder / "episode_0.gif").exists()
    assert draw_episode(load_episode(folder), tmp_path / "later.mp4").read_bytes() == film
    *_, path = small(agent_type="rule").render_single_episode(save_path="one.mp4")
    assert (tmp_path / path).read_bytes()[4:8] == b"ftyp"


def test_an_episode_that_fails_at_once_has_no_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(PistonballEnvironment, "reset", lambda self, seed: 1 / 0)
    [episode] = small(agent_type="rule").generate_episodes(1)
    assert episode["error"] == "pistonball failed to start: ZeroDivisionError: division by zero"
    assert (episode["length"], episode["gif_path"]) == (0, None)
    assert (tmp_path / "experiments" / "small" / "iteration_0" / "episode_0" / "episode.json").exists()
    with pytest.raises(EnvError, match="failed to start"):
        small(agent_type="rule").render_single_episode()


def test_evaluation_and_training_never_share_seeds():
    generator = small(agent_type="rule")
    trained = generator.generate_episodes(3, save_gif=False)
    evaluated = generator.evaluate_policy(num_episodes=3)
    assert not {one["seed"] for one in trained} & {one["seed"] for one in evaluated["episode_results"]}


def test_the_interval_is_that_of_students_t(tmp_path):
    episodes = [type("Episode", (), {"episode_id": i, "seed": i, "total_reward": r, "length": 1, "error": None})()
                for i, r in enumerate((1.0, 2.0, 3.0))]  # fmt: skip
    low, high = summarise(episodes, [])["interval_95"]
    assert (low, high) == pytest.approx((2 - 4.30 / 3**0.5, 2 + 4.30 / 3**0.5))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_pistons": 1}, "num_pistons"),
        ({"continuous": True, "action_mode": "discrete"}, "contradict"),
        ({"agent_type": "magic"}, "agent_type"),
        ({"exp_name": "../x"}, "exp_name"),
    ],
)
def test_unusable_arguments_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings)


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match="needs agent_policies"):
        small(agent_type="llm").generate_episodes(1)
    with pytest.raises(ConfigError, match="num_episodes must be at least 1, got 0"):
        small(agent_type="rule").generate_episodes(0)
    for name in ("num_workers", "save_interval"):
        with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
            small(agent_type="rule").generate_episodes(1, **{name: 0})
    with pytest.raises(ConfigError, match="policy of piston_0 must be a text"):
        small(engine=ScriptedEngine([])).generate_episodes(1, agent_policies={"piston_0": {"text": "x"}})
