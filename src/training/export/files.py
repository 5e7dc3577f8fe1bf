"""The folder of one episode."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.files import read_json, write_bytes, write_json
from textgrad_agents.trajectory import Episode
from training.export.arrays import pickle_bytes, read_traces, twin
from training.export.decoding import decode
from training.export.encoding import AgentType, encode, episode_to_dict
from training.export.log import format_log
from training.export.schema import EpisodeRecord, parse

MAX_BYTES = 1_000_000_000


def write_episode(
    folder: Path, episode: Episode, *, agent_type: AgentType | None = None, gif_path: str | Path | None = None
) -> None:
    """Write an episode: `episode_log.txt`, `trajectory.pkl` with its twin, and last `episode.json`.

    An episode whose `episode.json` is there is complete.

    Args:
        folder: the episode's own folder; it is made if need be.
        episode: what happened.
        agent_type: who decided; left out, it is seen from the record.
        gif_path: its picture, wherever that is or will be.

    Raises:
        ConfigError: the episode holds what no file can, or the folder cannot be written.
    """
    try:
        record = encode(episode, agent_type=agent_type, gif_path=_relative(gif_path, folder))
        text, log, pickled = _dump(record).encode(), format_log(episode).encode(), pickle_bytes(episode)
        arrays, names = twin(episode, pickled)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the episode cannot be written to {folder}: {error}") from None
    try:
        write_bytes(folder / "episode_log.txt", log)
        write_bytes(folder / "trajectory.pkl", pickled)
        write_bytes(folder / "trajectory.safetensors", arrays)
        write_json(folder / "trajectory.json", names)
        write_bytes(folder / "episode.json", text)
    except OSError as error:
        raise ConfigError(
            f"episode folder {folder} cannot be written: {error.strerror or error}; choose another --experiments_dir"
        ) from None


def load_episode(folder: str | Path) -> Episode:
    """Read an episode from its folder (or from its `episode.json`).

    Raises:
        FileFormatError: the episode is missing or damaged.
    """
    folder = Path(folder)
    if folder.name == "episode.json":
        folder = folder.parent
    record = _load_record(folder)
    name = f"episode file {folder / 'episode.json'}"
    traces = None
    if record.traces and record.agents is not None:
        traces = read_traces(folder, [one.timestep for one in record.transitions], list(record.agents))
    return decode(record, name, traces)


def load_episode_dict(folder: Path) -> dict[str, Any]:
    """Read an episode from its folder as `episode_to_dict` gives it.

    Raises:
        FileFormatError: the episode is missing or damaged.
    """
    record = _load_record(folder)
    data = episode_to_dict(decode(record, f"episode file {folder / 'episode.json'}"))
    as_written = ("num_pistons", "max_cycles", "agent_type", "action_mode", "token_stats")
    data |= {key: getattr(record, key) for key in as_written}
    gif = record.gif_path
    return data | {"gif_path": str(folder / gif) if gif is not None and Path(gif).name == gif else gif}


def episode_from_dict(data: Mapping[str, Any]) -> Episode:
    """The episode in a dict as `episode_to_dict` gives it; token counts and policy versions are not in there.

    Raises:
        FileFormatError: it is no such dict.
    """
    return decode(parse(dict(data), "episode"), "episode")


def _load_record(folder: Path) -> EpisodeRecord:
    path = folder / "episode.json"
    return parse(read_json(path, what="episode file", max_bytes=MAX_BYTES), f"episode file {path}")


def _dump(record: dict[str, Any]) -> str:
    """The record as JSON, one line per entry and per transition."""
    lines: list[str] = []
    for key, value in record.items():
        if key == "transitions":
            rows = ",\n".join(map(_compact, value))
            lines.append(f'"transitions":[\n{rows}\n]')
        else:
            lines.append(f"{_compact(key)}:{_compact(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _relative(path: str | Path | None, folder: Path) -> str | None:
    """A path in the folder by its name, so that the folder can be moved; any other in full."""
    if path is None:
        return None
    return Path(path).name if Path(path).parent == folder else str(Path(path).absolute())
