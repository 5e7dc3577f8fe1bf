"""Pictures of episodes as GIF and MP4 files."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textgrad_agents.errors import ConfigError
from textgrad_agents.files import write_bytes

_REPEATABLE = {"tune": "zerolatency"}  # where x264 looks ahead, the same frames give other bytes every time


def write_frames(path: Path, frames: Sequence[Any], fps: int = 30) -> None:
    """Write frames as an MP4 where `path` ends in ``.mp4``, as a GIF elsewhere.

    Raises:
        ConfigError: as `write_gif` and `write_mp4` say.
    """
    write = write_mp4 if path.suffix.lower() == ".mp4" else write_gif
    write(path, frames, fps)


def write_gif(path: Path, frames: Sequence[Any], fps: int = 30) -> None:
    """Write frames (RGB arrays of one shape) as an endless GIF. The file is whole or not there at all.

    Args:
        path: where to; parent folders are made, a file that is there is replaced.
        frames: one array `(height, width, 3)` of uint8 per picture.
        fps: pictures per second, 1 to 50 (GIF counts time in hundredths of a second).

    Raises:
        ConfigError: imageio is not installed, there are no frames, or `fps` is out of range.
    """
    _check("a GIF", path, frames, fps, 50)
    try:
        from imageio.v3 import imwrite  # pyright: ignore[reportUnknownVariableType] (its options are not typed)
    except ImportError:
        raise ConfigError("writing a GIF needs imageio; install textgrad-agents[envs]") from None
    data = imwrite("<bytes>", frames, extension=".gif", plugin="pillow", duration=1000 / fps, loop=0)
    write_bytes(path, data)


def write_mp4(path: Path, frames: Sequence[Any], fps: int = 30) -> None:
    """Write frames (RGB arrays of one shape) as an MP4 (H.264). The file is whole or not there at all.

    Args:
        path: where to; parent folders are made, a file that is there is replaced.
        frames: one array `(height, width, 3)` of uint8 per picture; odd sides are made even by a last line twice.
        fps: pictures per second, 1 to 120.

    Raises:
        ConfigError: PyAV is not installed, there are no frames, or `fps` is out of range.
    """
    require_mp4()
    _check("an MP4", path, frames, fps, 120)
    av: Any = importlib.import_module("av")
    even = [_even(np.asarray(frame)) for frame in frames]
    film = io.BytesIO()
    with av.open(film, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps, options=_REPEATABLE)
        stream.height, stream.width, _ = even[0].shape
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    write_bytes(path, film.getvalue())


def require_mp4() -> None:
    """Refuse what could not be written in the end.

    Raises:
        ConfigError: PyAV is not installed.
    """
    try:
        importlib.import_module("av")
    except ImportError:
        raise ConfigError("writing an MP4 needs PyAV; install textgrad-agents[video], or draw a GIF") from None


def _check(kind: str, path: Path, frames: Sequence[Any], fps: int, fastest: int) -> None:
    if not frames:
        raise ConfigError(f"{kind} needs at least one frame; none were given for {path}")
    if not 1 <= fps <= fastest:
        raise ConfigError(f"fps of {kind} must be from 1 to {fastest}, not {fps}")


def _even(frame: Any) -> Any:
    height, width, _ = frame.shape
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
