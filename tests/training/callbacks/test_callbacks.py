"""Callbacks: what they keep, write, count and print."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from rollouts import CountingAgent, CountingEnv  # tests/support

from envs import DummyEnv, DummyTaskDataset, EnvsTaskDataset
from textgrad_agents.agents import SimpleAgent
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import ToolCall, ToolRequestMessage
from textgrad_agents.ops import IdentityOp
from textgrad_agents.transitions import Trajectory, Transition
from training.buffers import ReplayBuffer
from training.callbacks import (
    Callback,
    ClearContextCallback,
    ClearOptimizerBuffersCallback,
    ComputeTrajectoryMetricsMixin,
    LoggingCallback,
    MeanMetricsCallback,
    RolloutDebugDumpCallback,
    StoreEnvironmentsCallback,
    StoreTrajectoriesCallback,
    TerminalPrintingCallback,
    TrackerCallback,
    TrajectoryFileCallback,
    WandBLoggingCallback,
    trajectory_metrics,
)
from training.rollouts import RolloutManager, TreeSearchRollout


def sampled(agent: Any, env: Any, *callbacks: Callback, max_steps: int | None = None) -> Trajectory:
    manager = RolloutManager(agent, callbacks=callbacks)
    return asyncio.run(manager.sample_trajectories(environments=[env], max_steps=max_steps))[0]


def calls(*tools: str) -> Transition:
    action = ToolRequestMessage(tool_calls=[ToolCall.from_name(tool) for tool in tools])
    return Transition(
        timestep=0, observation=[], next_observation=[], action=IdentityOp()(action), reward=1.0, value=3.0
    )


def test_trajectories_are_written_step_by_step(tmp_path: Path) -> None:
    lines: list[int] = []

    class Lines(Callback):
        async def after_transition(self, *args: Any) -> None:
            (path,) = tmp_path.glob("*.jsonl")
            lines.append(len(path.read_text().splitlines()))

    trajectory = sampled(CountingAgent(), CountingEnv(), TrajectoryFileCallback(tmp_path), Lines())
    assert lines == [2, 3, 4]
    read = Trajectory.from_jsonl(tmp_path / f"{trajectory.traj_id}.jsonl")
    assert [step.reward for step in read.steps] == [step.reward for step in trajectory.steps]
    assert read.traj_id == trajectory.traj_id
    assert json.loads((tmp_path / f"{trajectory.traj_id}_env.json").read_text())["info"] == {"count": 3.0}


def test_a_state_that_cannot_be_written_is_a_failed_step(tmp_path: Path) -> None:
    class Odd(CountingAgent):
        async def init_state(self, tools: Any) -> Any:
            return object()

    trajectory = sampled(Odd(), CountingEnv(2), TrajectoryFileCallback(tmp_path))
    assert trajectory.failed
    assert "cannot be written as JSON" in trajectory.steps[0].metadata["exception"]
    assert trajectory.steps[0].action is not None
    assert Trajectory.from_jsonl(tmp_path / f"{trajectory.traj_id}.jsonl").failed


def test_each_branch_of_a_tree_has_a_file_of_its_own(tmp_path: Path) -> None:
    search = TreeSearchRollout(CountingAgent(), 2, deepcopy, callbacks=[TrajectoryFileCallback(tmp_path)])
    tree = asyncio.run(search.sample_tree(CountingEnv(), max_depth=2))
    read = [Trajectory.from_jsonl(path) for path in tmp_path.glob("*.jsonl")]
    assert {one.traj_id for one in read} == {one for one in tree.step_ids() if one != tree.root_id}
    assert sorted(one.steps[0].timestep for one in read) == [0, 0, 1, 1, 1, 1]


def test_the_task_stands_in_the_file(tmp_path: Path) -> None:
    trajectory = sampled(SimpleAgent(), DummyEnv("cats"), TrajectoryFileCallback(tmp_path))
    assert Trajectory.from_jsonl(tmp_path / f"{trajectory.traj_id}.jsonl").metadata == {"env_id": "cats"}


def test_a_failed_rollout_is_written_too(tmp_path: Path) -> None:
    trajectory = sampled(CountingAgent(), CountingEnv(fails_in="reset"), TrajectoryFileCallback(tmp_path))
    (step,) = Trajectory.from_jsonl(tmp_path / f"{trajectory.traj_id}.jsonl").steps
    assert "no beginning" in step.metadata["exception"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        TrajectoryFileCallback(tmp_path / "file")


def test_events_of_a_rollout(tmp_path: Path) -> None:
    trajectory = sampled(SimpleAgent(), DummyEnv(), RolloutDebugDumpCallback(tmp_path))
    rows = [json.loads(line) for line in (tmp_path / f"{trajectory.traj_id}.jsonl").read_text().splitlines()]
    assert [row["event"] for row in rows] == ["AGENT_GET_ASV", "ENV_STEP"]
    assert all(row["elapsed"] >= 0 for row in rows)
    assert (rows[1]["reward"], rows[1]["done"]) == (1.0, True)


def test_things_are_kept_and_let_go() -> None:
    stored, environments, env = StoreTrajectoriesCallback(), StoreEnvironmentsCallback(), CountingEnv()
    trajectory = sampled(CountingAgent(), env, environments, ClearContextCallback())
    assert environments.traj_id_to_envs == {trajectory.traj_id: env}
    asyncio.run(stored.after_train_step([trajectory]))
    asyncio.run(stored.after_eval_step([trajectory, trajectory]))
    assert (len(stored.train_trajectories), len(stored.eval_trajectories)) == (1, 2)
    buffer = ReplayBuffer()
    buffer += [{"a": 1}]
    asyncio.run(ClearOptimizerBuffersCallback(buffer).after_update())
    assert len(buffer) == 0


def test_metrics_of_trajectories() -> None:
    failed = Transition(timestep=1, observation=[], next_observation=[], metadata={"exception": "no"})
    first, second = calls("look", "look", "go"), calls().model_copy(update={"truncated": True})
    metrics = trajectory_metrics(
        [Trajectory(steps=[first, failed]), Trajectory(steps=[second]), Trajectory()], ["look"]
    )
    assert metrics == {
        "reward": [1.0, 1.0, 0.0],
        "truncation_rate": [0.0, 1.0, 0.0],
        "avg_value": [1.5, 3.0, 0.0],
        "num_steps": [2.0, 1.0, 0.0],
        "failures": [1.0, 0.0, 0.0],
        "tool_look": [2.0, 0.0, 0.0],
    }


def test_means_are_there_after_a_batch(caplog: pytest.LogCaptureFixture) -> None:
    dataset = DummyTaskDataset()
    means = MeanMetricsCallback(dataset, dataset, track_tool_usage=True)
    with pytest.raises(ConfigError, match="none yet"):
        _ = means.train_means
    trajectory = sampled(SimpleAgent(), DummyEnv(), means)

    async def run() -> None:
        await means.after_train_step([trajectory])
        for _ in range(2):
            await means.after_eval_step([trajectory, Trajectory()])
        await means.after_eval_loop()

    asyncio.run(run())
    assert (means.train_means["reward"], means.train_means["tool_print_story"]) == (1.0, 1.0)
    assert means.eval_means["reward"] == 0.5
    logged = LoggingCallback(dataset, metrics_to_log=["reward"])
    with caplog.at_level("INFO"):
        asyncio.run(logged.after_train_step([trajectory]))
    assert [record.message for record in caplog.records] == ["training: reward 1"]


def test_a_dataset_may_have_metrics_of_its_own() -> None:
    class Own(EnvsTaskDataset[Any], ComputeTrajectoryMetricsMixin):
        def compute_trajectory_metrics(self, trajectories: Any) -> dict[str, list[float]]:
            return {"solved": [1.0 for _ in trajectories]}

    means = MeanMetricsCallback(train_dataset=Own([DummyEnv()]))
    asyncio.run(means.after_train_step([Trajectory(), Trajectory()]))
    assert means.train_means == {"solved": 1.0}


def test_a_tracker_gets_the_means() -> None:
    class Tracker:
        def __init__(self) -> None:
            self.rows: list[tuple[dict[str, float], int]] = []

        def log(self, metrics: Any, step: int) -> None:
            self.rows.append((dict(metrics), step))

        def finish(self) -> None:
            pass

    tracker, dataset = Tracker(), DummyTaskDataset()
    callback = TrackerCallback(tracker, dataset, dataset)

    async def run() -> None:
        await callback.after_train_step([Trajectory(steps=[calls()])])
        await callback.after_eval_step([Trajectory()])
        await callback.after_eval_loop()

    asyncio.run(run())
    assert [
        (row["train/reward_mean"] if "train/reward_mean" in row else row["eval/reward_mean"], at)
        for row, at in tracker.rows
    ] == [
        (1.0, 1),
        (0.0, 1),
    ]


def test_weights_and_biases_must_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="needs wandb"):
        WandBLoggingCallback()


def test_a_rollout_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    sampled(SimpleAgent(), DummyEnv("cats [bold]"), TerminalPrintingCallback())
    shown = capsys.readouterr().out
    assert "observation: Write a 5 word story via print_story about cats [bold]" in shown
    assert "print_story(story='text')" in shown
    assert "reward: 1, done" in shown
    said: list[str] = []
    sampled(CountingAgent(fails_at=0), CountingEnv(), TerminalPrintingCallback(said.append))
    assert said[-1].startswith("failed: ValueError('cannot count on from 0')")
