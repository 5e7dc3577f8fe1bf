"""Pictures of recorded episodes: the environment draws them again from the seed and the actions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envs.frames import write_frames
from envs.registry import make
from textgrad_agents.errors import ConfigError
from textgrad_agents.trajectory import Episode


def draw_episode(episode: Episode, path: str | Path, fps: int = 30) -> Path:
    """Draw a recorded episode as a GIF, or as an MP4 where `path` ends so.

    Raises:
        ConfigError: what writes such a file is not installed, `fps` is out of range, or the environment draws nothing.
    """
    actions: list[dict[str, Any]] = [{} for _ in range(episode.length)]
    for step in episode.steps():
        actions[step.timestep][step.agent] = step.action
    try:
        frames = make(**episode.environment).frames(episode.seed, actions)
    except NotImplementedError as error:
        raise ConfigError(f"{error}; pass save_gif=False") from None
    write_frames(Path(path), frames, fps)
    return Path(path)
