"""The text of an episode: every tenth cycle, with state, actions and rewards."""

from __future__ import annotations

import re

import pytest

from textgrad_agents.errors import FileFormatError
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory
from training.export import episode_to_dict
from training.formatter import TrajectoryFormatter


def episode(length: int = 25) -> Episode:
    return Episode(
        trajectories=tuple(
            Trajectory(
                agent,
                tuple(Step(agent=agent, timestep=t, action_name=f"{agent}_{t}", reward=0.5) for t in range(length)),
            )
            for agent in ("a", "b")
        ),
        cycles=tuple(Cycle(t, f"the state of cycle {t}.", {}, 0.5, t == length - 1) for t in range(length)),
        total_reward=length / 2,
        length=length,
    )


def test_every_tenth_cycle_is_told_in_order() -> None:
    text = TrajectoryFormatter().format_trajectory(episode())
    assert re.findall(r"the state of cycle (\d+)\.", text) == ["0", "10", "20"]
    position = 0
    for t in (0, 10, 20):
        for part in (f"the state of cycle {t}.", f"a_{t}", f"b_{t}", f"{0.5 * (t + 1):+.4f}"):
            position = text.index(part, position)
    assert text.count("12.50") == 2
    assert "a_1:" not in text


def test_records_and_dicts_read_the_same() -> None:
    assert TrajectoryFormatter.format_trajectory(episode_to_dict(episode())) == (
        TrajectoryFormatter.format_trajectory(episode())
    )


def test_what_is_no_episode_is_refused() -> None:
    with pytest.raises(FileFormatError, match="episode_id is missing"):
        TrajectoryFormatter.format_trajectory({"total_reward": 1.0, "transitions": []})
