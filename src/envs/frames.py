"""Pictures of episodes as GIF files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.files import write_bytes


def write_gif(path: Path, frames: Sequence[Any], fps: int = 30) -> None:
    """Write frames (RGB arrays of one shape) as an endless GIF. The file is whole or not there at all.

    Args:
        path: where to; parent folders are made, a file that is there is replaced.
        frames: one array `(height, width, 3)` of uint8 per picture.
        fps: pictures per second, 1 to 50 (GIF counts time in hundredths of a second).

    Raises:
        ConfigError: imageio is not installed, there are no frames, or `fps` is out of range.
    """
    if not frames:
        raise ConfigError(f"a GIF needs at least one frame; none were given for {path}")
    if not 1 <= fps <= 50:
        raise ConfigError(f"fps of a GIF must be from 1 to 50, not {fps}")
    try:
        from imageio.v3 import imwrite  # pyright: ignore[reportUnknownVariableType] (its options are not typed)
    except ImportError:
        raise ConfigError("writing a GIF needs imageio; install textgrad-agents[envs]") from None
    data = imwrite("<bytes>", frames, extension=".gif", plugin="pillow", duration=1000 / fps, loop=0)
    write_bytes(path, data)
