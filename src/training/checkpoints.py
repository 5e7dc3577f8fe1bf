"""Checkpoints of long episodes: what is played so far, in the episode's folder while it is played.

`checkpoint.json` holds the episode so far as `episode.json` will, `trajectory_checkpoint.pkl` as `trajectory.pkl` will,
and `episode_<id>_step_<t>.gif` shows it. An episode that was killed goes on from `checkpoint.json`: its actions are
taken again, and nobody is asked for them a second time. When the episode is written, both checkpoints are removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from textgrad_agents.files import read_json, remove_unfinished, write_bytes, write_json
from textgrad_agents.trajectory import Episode
from training.drawing import draw_episode
from training.export.arrays import pickle_bytes
from training.export.decoding import decode
from training.export.encoding import AgentType, encode
from training.export.schema import parse

MAX_BYTES = 1_000_000_000
NAME, PICKLE = "checkpoint.json", "trajectory_checkpoint.pkl"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Keeps one episode.

    Attributes:
        folder: the episode's own.
        every: after how many cycles, each time.
        origin: what the episode follows from; an episode of another origin is not gone on with.
        agent_type: who decides.
        gif_fps: pictures per second; None draws nothing.
    """

    folder: Path
    every: int
    origin: str
    agent_type: AgentType
    gif_fps: int | None = None

    def begun(self) -> Episode | None:
        """The episode as far as it was kept, if it is this one. Token traces are not kept: such an episode begins anew.

        Raises:
            FileFormatError: the checkpoint is damaged.
        """
        path = self.folder / NAME
        if not path.exists():
            return None
        kept: Any = read_json(path, what="checkpoint", max_bytes=MAX_BYTES)
        if not isinstance(kept, dict):
            return None
        record = cast("dict[str, Any]", kept)
        if record.get("origin") != self.origin or record.get("traces"):
            return None
        for name in ("origin", "is_checkpoint", "checkpoint_timestep"):
            record.pop(name, None)
        return decode(parse(record, f"checkpoint {path}"), f"checkpoint {path}")

    def keep(self, episode: Episode) -> None:
        """Write the episode so far."""
        mark: dict[str, Any] = {"is_checkpoint": True, "checkpoint_timestep": episode.length}
        write_bytes(self.folder / PICKLE, pickle_bytes(episode, mark))
        if self.gif_fps is not None:
            name = f"episode_{episode.episode_id}_step_{episode.length}.gif"
            draw_episode(episode, self.folder / name, self.gif_fps)
        record = encode(episode, agent_type=self.agent_type)
        write_json(self.folder / NAME, {**record, **mark, "origin": self.origin}, indent=None)

    def remove(self) -> None:
        """Remove the checkpoints of an episode that is written."""
        remove_unfinished(self.folder)
        for name in (NAME, PICKLE):
            (self.folder / name).unlink(missing_ok=True)
