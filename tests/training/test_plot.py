"""The reward curve: a picture, the same one for the same numbers, whole or not there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgrad_agents.errors import ConfigError
from training.plot import plot_rewards


def row(iteration: int, average: float, accepted: bool | None = None) -> dict[str, Any]:
    stats = {
        "iteration": iteration,
        "avg_reward": average,
        "min_reward": average - 5,
        "max_reward": average + 5,
    }
    return stats if accepted is None else stats | {"accepted": accepted}


ROWS = [row(0, 20.0, False), row(1, 30.0, True), row(2, 90.0, True)]


def picture(rows: list[dict[str, Any]], path: Path) -> Any:
    from matplotlib.image import imread

    plot_rewards(rows, path)
    return imread(path)


def test_the_picture_shows_the_numbers_and_the_decisions(tmp_path: Path) -> None:
    path = tmp_path / "run" / "reward_curve.png"
    first = picture(ROWS, path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert first.shape[0] > 300
    assert first.shape[1] > 500
    np.testing.assert_array_equal(picture(ROWS, path), first)
    for other in (
        [row(0, 20.0, False), row(1, 30.0, True), row(2, 50.0, True)],
        [row(0, 20.0, True), row(1, 30.0, True), row(2, 90.0, True)],
        [row(0, 20.0), row(1, 30.0), row(2, 90.0)],
    ):
        assert not np.array_equal(picture(other, tmp_path / "other.png"), first)
    assert [entry.name for entry in path.parent.iterdir()] == ["reward_curve.png"]


def test_rows_without_numbers_of_iterations_are_counted(tmp_path: Path) -> None:
    plain = [{key: value for key, value in one.items() if key != "iteration"} for one in ROWS]
    np.testing.assert_array_equal(picture(plain, tmp_path / "a.png"), picture(ROWS, tmp_path / "b.png"))


def test_one_iteration_is_enough_and_none_is_not(tmp_path: Path) -> None:
    plot_rewards(ROWS[:1], tmp_path / "one.png")
    with pytest.raises(ConfigError, match="needs at least one iteration"):
        plot_rewards([], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"needs matplotlib; install textgrad-agents\[plot\]"):
        plot_rewards(ROWS, tmp_path / "curve.png")


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        plot_rewards(ROWS, tmp_path / "file" / "curve.png")
