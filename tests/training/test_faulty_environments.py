"""Training with environments that fail: what is recorded, counted and said, and when a run stops."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envs.lamps import LampsEnvironment
from textgrad_agents.errors import EnvError
from training.config import TrainingConfig
from training.episode_generator import EpisodeGenerator
from training.monte_carlo import MonteCarloTrainer
from training.rollout import environment_seed

ODD = environment_seed((0, "train", 0, 1))  # of episode 1 in iteration 0


def config(where: Path, **given: Any) -> TrainingConfig:
    settings: dict[str, Any] = {"num_iterations": 2, "gate": "mean", "gate_episodes": 2, "save_gif": False}
    return TrainingConfig(
        environment={"name": "lamps", "max_cycles": 6},
        experiments_dir=where,
        exp_name="x",
        policy_path=where / "policy.json",
        **(settings | given),
    )


def lose(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool], reward: float | None = None) -> None:
    """In episodes of some seeds the fourth cycle gives a reward of its own, or none because it raises."""
    reset, step = LampsEnvironment.reset, LampsEnvironment.step

    def start(self: Any, seed: int) -> None:
        reset(self, seed)
        self.played_seed, self.left = seed, 3

    def go(self: Any, actions: Any) -> Any:
        outcome = step(self, actions)
        self.left -= 1
        if self.left >= 0 or not when(self.played_seed):
            return outcome
        if reward is None:
            raise LookupError("the lamps went out")
        return replace(outcome, rewards=dict.fromkeys(outcome.rewards, reward))

    monkeypatch.setattr(LampsEnvironment, "reset", start)
    monkeypatch.setattr(LampsEnvironment, "step", go)


def events(where: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (where / "x" / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("reward", "said"), [(None, "lamps failed to take a step: LookupError: the lamps went out"), (math.nan, "finite")]
)
def test_a_failed_episode_is_recorded_counted_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reward: float | None, said: str
) -> None:
    lose(monkeypatch, lambda seed: seed == ODD, reward)
    with MonteCarloTrainer(config(tmp_path)) as trainer:
        rows = trainer.train_full()
    assert [row["failed_episodes"] for row in rows] == [1, 0]
    assert [len(row["rewards"]) for row in rows] == [2, 3]
    kept = json.loads((tmp_path / "x" / "iteration_0" / "episode_1" / "episode.json").read_text())
    assert said in kept["error"]
    assert kept["length"] == len(kept["transitions"]) == 3
    told = [event["data"]["error"] for event in events(tmp_path) if event["kind"] == "episode_finished"]
    assert sum(error is not None and said in error for error in told) == 1


def test_a_run_in_which_every_episode_fails_stops_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(monkeypatch, lambda seed: True)
    with MonteCarloTrainer(config(tmp_path)) as trainer, pytest.raises(EnvError) as caught:
        trainer.train_full()
    assert str(caught.value) == (
        "the environment failed in all 3 episodes: lamps failed to take a step: LookupError: the lamps went out"
    )


def test_what_does_not_close_is_an_event_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def jammed(self: Any) -> None:
        raise OSError("jammed")

    monkeypatch.setattr(LampsEnvironment, "close", jammed)
    with MonteCarloTrainer(config(tmp_path, num_iterations=1)) as trainer:
        trainer.train_full()
    told = [event["data"]["text"] for event in events(tmp_path) if event["kind"] == "environment_not_closed"]
    assert told
    assert set(told) == {"lamps failed to close: OSError: jammed"}
    assert [record.getMessage() for record in caplog.records if record.name == "training.collect"] == told


def test_an_evaluation_leaves_failures_out_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = environment_seed((0, "evaluate", 0, 0))
    lose(monkeypatch, lambda seed: seed == odd)
    generator = EpisodeGenerator.of(config(tmp_path))
    summary = generator.evaluate_policy(dict.fromkeys(("keeper_0", "keeper_1"), "Wait."), 3)
    assert (summary["num_episodes"], summary["failed_episodes"], len(summary["all_rewards"])) == (3, 1, 2)
    assert summary["first_error"] == "lamps failed to take a step: LookupError: the lamps went out"
