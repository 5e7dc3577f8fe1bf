"""Episodes from disk, in the order of their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory
from training.episode_loader import EpisodeLoader
from training.export import write_episode


def record(iteration: int, episode: int, length: int) -> Episode:
    steps = tuple(Step(agent="a", timestep=t, action=t, reward=1.0) for t in range(length))
    cycles = tuple(Cycle(t, f"state {t}", {}, 1.0, t == length - 1) for t in range(length))
    return Episode(
        episode_id=episode,
        iteration=iteration,
        trajectories=(Trajectory("a", steps),),
        cycles=cycles,
        total_reward=float(length),
        length=length,
    )


@pytest.fixture
def loader(tmp_path: Path) -> EpisodeLoader:
    """Iterations 0, 2 and 10; the last has no complete episode. Episodes 0, 2 and 10 with 1, 2 and 3 cycles."""
    for iteration in (10, 2, 0):
        for length, episode in enumerate((0, 2, 10), start=1):
            folder = tmp_path / "run" / f"iteration_{iteration}" / f"episode_{episode}"
            folder.mkdir(parents=True)
            if iteration != 10:
                write_episode(folder, record(iteration, episode, length))
    (tmp_path / "another").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "file").touch()
    return EpisodeLoader(tmp_path)


def test_episodes_come_in_the_order_of_their_numbers(loader: EpisodeLoader) -> None:
    episodes = loader.load_episodes("run", 2)
    assert [episode["episode_id"] for episode in episodes] == [0, 2, 10]
    assert [episode["episode_id"] for episode in loader.load_episodes("run", 2, num_episodes=2)] == [0, 2]
    assert episodes[2]["transitions"][2]["agents"]["a"]["action"] == 2
    assert loader.load_records("run", 2) == [record(2, 0, 1), record(2, 2, 2), record(2, 10, 3)]
    assert loader.load_episodes("run", 10) == []


def test_the_latest_iteration_is_the_last_with_episodes(loader: EpisodeLoader) -> None:
    iteration, episodes = loader.load_latest_iteration("run")
    assert iteration == 2
    assert len(episodes) == 3
    write_episode(loader.experiments_dir / "run" / "iteration_10" / "episode_0", record(10, 0, 1))
    assert loader.load_latest_iteration("run")[0] == 10
    with pytest.raises(FileFormatError, match=r"experiment another in .* has no complete episode yet"):
        loader.load_latest_iteration("another")


def test_counts_and_names(loader: EpisodeLoader) -> None:
    assert loader.count_episodes("run", 0) == 3
    assert loader.count_episodes("run", 10) == 0
    assert loader.count_episodes("run", 5) == loader.count_episodes("nobody", 0) == 0
    assert loader.list_experiments() == ["another", "run"]
    assert EpisodeLoader(loader.experiments_dir / "none").list_experiments() == []
    info = loader.get_experiment_info("run")
    assert info == {
        "experiment_name": "run",
        "num_iterations": 3,
        "total_episodes": 6,
        "episodes_per_iteration": {"iteration_0": 3, "iteration_2": 3, "iteration_10": 0},
    }
    assert list(info["episodes_per_iteration"]) == ["iteration_0", "iteration_2", "iteration_10"]


def test_statistics(loader: EpisodeLoader) -> None:
    assert loader.get_episode_stats(loader.load_episodes("run", 0)) == {
        "num_episodes": 3,
        "avg_reward": 2.0,
        "min_reward": 1.0,
        "max_reward": 3.0,
        "avg_length": 2.0,
        "min_length": 1,
        "max_length": 3,
        "total_transitions": 6,
    }
    with pytest.raises(ConfigError, match="at least one episode"):
        loader.get_episode_stats([])


@pytest.mark.parametrize(
    "change",
    [{"episode_id": None}, {"total_reward": None}, {"transitions": None}, {"transitions": []}, {"transitions": 3}],
)
def test_validation(loader: EpisodeLoader, change: dict[str, Any]) -> None:
    episodes = loader.load_episodes("run", 0)
    assert loader.validate_episodes(episodes)
    assert loader.validate_episodes([])
    broken = {**episodes[0], **{key: value for key, value in change.items() if value is not None}}
    for key, value in change.items():
        if value is None:
            del broken[key]
    assert not loader.validate_episodes([*episodes, broken])


def test_what_is_not_there_is_named_with_what_is(loader: EpisodeLoader) -> None:
    with pytest.raises(FileFormatError, match=r"there is no experiment nobody in .*; there are: another, run"):
        loader.load_episodes("nobody", 0)
    with pytest.raises(FileFormatError, match="experiment run has no iteration_3; there are: iteration_0, iteration_2"):
        loader.load_episodes("run", 3)
    with pytest.raises(FileFormatError, match="there is no experiment"):
        loader.get_experiment_info("nobody")


@pytest.mark.parametrize("name", ["../run", "/etc", "", "run/iteration_0", ".", ".."])
def test_names_that_are_paths_are_refused(loader: EpisodeLoader, name: str) -> None:
    for call in (loader.get_experiment_info, loader.load_latest_iteration):
        with pytest.raises(ConfigError, match="exp_name must be"):
            call(name)
    with pytest.raises(ConfigError, match="exp_name must be"):
        loader.count_episodes(name, 0)


def test_damaged_episodes_are_named(loader: EpisodeLoader) -> None:
    path = loader.experiments_dir / "run" / "iteration_0" / "episode_2" / "episode.json"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileFormatError) as caught:
        loader.load_episodes("run", 0)
    assert str(path) in str(caught.value)
