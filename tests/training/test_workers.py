"""Worker processes: the same episodes whoever plays them, and what becomes of an episode whose worker dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import envs
from envs.lamps import LampsEnvironment
from textgrad_agents.engines import Meter, RulebookEngine, ScriptedEngine
from textgrad_agents.engines.middleware import Metered
from textgrad_agents.trajectory import Episode
from training.collect import Collector
from training.config import TrainingConfig
from training.episode_generator import EpisodeGenerator
from training.export import write_episode
from training.rollout import environment_seed
from training.workers import portable


def odd(**how: Any) -> Any:
    """Lamps that are odd in episode 1."""
    seed = environment_seed((0, "train", 0, 1))
    return envs.make("odd_lamps:OddLamps", odd_seed=seed, max_cycles=5, **how)


def collect(make: Callable[[], Any], workers: int, engine: Any = None, count: int = 3) -> list[Episode]:
    collector = Collector(make, engine or RulebookEngine(), workers=workers)
    policies = dict.fromkeys(collector.environment.agents, "When the left lamp is lit, press left.")
    try:
        return asyncio.run(
            collector.collect(policies, branch="train", iteration=0, episodes=range(count), temperature=0.3)
        )
    finally:
        assert collector.close() == []


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("acting", ["rule", "policies"])
def test_files_are_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path, acting: str) -> None:
    written: list[dict[str, bytes]] = []
    for workers in (1, 2):
        generator = EpisodeGenerator(
            num_pistons=4, max_cycles=12, experiments_dir=tmp_path / str(workers), exp_name="x", seed=5
        )
        told = "When the ball is close on my left, push up."
        policies = None if acting == "rule" else {f"piston_{i}": told for i in range(4)}
        returned = generator.generate_episodes(3, agent_policies=policies, num_workers=workers, save_gif=False)
        assert [one["episode_id"] for one in returned] == [0, 1, 2]
        written.append(files(tmp_path / str(workers)))
    assert len(written[0]) == 3 * 5
    assert written[0] == written[1]


def test_what_workers_use_is_on_the_meter() -> None:
    counted: list[Any] = []
    for workers in (1, 2):
        meter = Meter()
        collect(LampsEnvironment, workers, Metered(RulebookEngine(), meter))
        counted.append(meter.snapshot())
    assert counted[0] == counted[1]
    assert counted[0]["actor"]["calls"] > 0


def test_an_episode_that_raises_in_a_worker_is_recorded_and_its_siblings_go_on() -> None:
    episodes = collect(lambda: odd(how="raise"), 2)
    assert [episode.error is None for episode in episodes] == [True, False, True]
    assert episodes[1].error == "lamps failed to take a step: ZeroDivisionError: no light"
    assert [episode.length for episode in episodes] == [5, 2, 5]


def test_an_episode_that_kills_its_worker_twice_is_one_failure(tmp_path: Path) -> None:
    episodes = collect(lambda: odd(how="kill"), 2)
    assert [episode.error is None for episode in episodes] == [True, False, True]
    assert "the worker process that played it died, and so did a second one" in (episodes[1].error or "")
    assert [episode.length for episode in episodes] == [5, 0, 5]
    write_episode(tmp_path / "lost", episodes[1])
    assert "The episode failed: the worker process" in (tmp_path / "lost" / "episode_log.txt").read_text()


def test_a_worker_that_was_killed_once_leaves_no_trace(tmp_path: Path) -> None:
    mark = str(tmp_path / "killed")
    episodes = collect(lambda: odd(how="kill", once=mark), 2)
    assert Path(mark).exists()
    assert episodes == collect(lambda: odd(how="kill", once=mark), 1)
    assert all(episode.error is None for episode in episodes)


def test_a_script_without_its_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from training.episode_generator import EpisodeGenerator\n"
        "EpisodeGenerator(num_pistons=3, max_cycles=3).generate_episodes(2, num_workers=2, save_gif=False)\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1
    assert "ConfigError: worker processes do not start" in done.stderr.splitlines()[-1]
    assert '`if __name__ == "__main__":`' in done.stderr.splitlines()[-1]
    assert not (tmp_path / "experiments").exists()


def test_only_the_built_in_engine_goes_to_workers() -> None:
    assert portable(RulebookEngine())
    assert portable(Metered(RulebookEngine(), Meter()))
    assert not portable(None)
    here = ScriptedEngine(lambda messages, options: "wait")
    assert not portable(here)
    episodes = collect(LampsEnvironment, 2, here, count=1)
    assert here.calls
    assert episodes[0].error is None


def test_a_run_may_be_given_workers() -> None:
    config = TrainingConfig(num_workers=2)
    assert config.fingerprint() == TrainingConfig().fingerprint()
    generator = EpisodeGenerator.of(config)
    assert generator.collector(with_model=False) is generator.collector(with_model=False, num_workers=2)
    assert generator.collector(with_model=False) is not generator.collector(with_model=False, parallel=False)
    assert generator.close() == []
