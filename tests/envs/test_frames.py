"""GIF and MP4 files."""

from __future__ import annotations

import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from envs.frames import write_frames, write_gif
from envs.pistonball import PistonballEnvironment
from textgrad_agents.errors import ConfigError
from training.episode_generator import EpisodeGenerator


def shades(count: int) -> list[np.ndarray]:
    return [np.full((6, 8, 3), 20 * i, dtype=np.uint8) for i in range(count)]


def test_writes_all_frames_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "new" / "episode.gif"
    write_gif(path, shades(5), fps=20)
    assert imageio.imread(path).shape == (5, 6, 8, 3)
    facts = imageio.immeta(path)
    assert (facts["duration"], facts["loop"]) == (50, 0)
    assert list(path.parent.iterdir()) == [path]


def test_replaces_a_file_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "episode.gif"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="shape"):
        write_gif(path, [*shades(2), np.zeros((1, 1, 3), dtype=np.uint8)])
    assert path.read_bytes() == b"old"
    write_gif(path, shades(2))
    assert path.read_bytes().startswith(b"GIF8")
    assert list(tmp_path.iterdir()) == [path]


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio.v3", None)
    with pytest.raises(ConfigError, match=r"install textgrad-agents\[envs\]"):
        write_gif(tmp_path / "episode.gif", shades(1))
    assert not list(tmp_path.iterdir())


def test_refuses_nothing_and_odd_speeds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one frame"):
        write_gif(tmp_path / "episode.gif", [])
    for fps in (0, 51):
        with pytest.raises(ConfigError, match="fps"):
            write_gif(tmp_path / "episode.gif", shades(1), fps=fps)


def test_an_mp4_where_the_name_says_so(tmp_path: Path) -> None:
    path = tmp_path / "new" / "episode.mp4"
    write_frames(path, shades(5), fps=20)
    shown = imageio.imread(path, plugin="pyav")
    assert shown.shape == (5, 6, 8, 3)
    assert np.abs(shown[4].astype(int) - 80).max() < 12
    assert imageio.immeta(path, plugin="pyav")["fps"] == 20
    assert list(path.parent.iterdir()) == [path]
    write_frames(tmp_path / "episode.gif", shades(2))
    assert (tmp_path / "episode.gif").read_bytes().startswith(b"GIF8")


def test_the_same_frames_give_the_same_video(tmp_path: Path) -> None:
    table = PistonballEnvironment(6)
    frames = table.frames(1, [dict.fromkeys(table.agents, i % 3) for i in range(40)])
    written: set[bytes] = set()
    for i in range(5):
        write_frames(tmp_path / f"{i}.mp4", frames)
        written.add((tmp_path / f"{i}.mp4").read_bytes())
    assert len(written) == 1


def test_odd_sides_of_a_video_are_made_even(tmp_path: Path) -> None:
    path = tmp_path / "episode.mp4"
    write_frames(path, [np.full((5, 7, 3), 90, dtype=np.uint8)] * 3)
    assert imageio.imread(path, plugin="pyav").shape == (3, 6, 8, 3)


def test_a_video_needs_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"needs PyAV; install textgrad-agents\[video\]"):
        write_frames(tmp_path / "episode.mp4", shades(1))
    with pytest.raises(ConfigError, match=r"install textgrad-agents\[video\]"):
        EpisodeGenerator(num_pistons=3, experiments_dir=tmp_path).generate_episodes(1, save_mp4=True)
    assert not list(tmp_path.iterdir())
