"""Where a run lives: what its folder holds, whose a folder is, and which name is free."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from textgrad_agents.errors import FileFormatError
from textgrad_agents.journal import Journal
from textgrad_agents.validation import short
from training.config import TrainingConfig, read_settings

JOURNAL, ACCOUNT = "journal.sqlite", "budget.sqlite"
OURS = re.compile(
    r"iteration_\d+|config\.json|summary\.json|events\.jsonl|(best_)?policy\.json|reward_curve\.png"
    r"|(journal|budget)\.sqlite.*|adapters|evaluation_[0-9-]+"
)
"""What a run leaves in its folder; starting anew removes these and nothing else."""
EVALUATION = re.compile(r"evaluation_[0-9-]+")
"""What may stand in a folder before a run begins there."""


class Stored(NamedTuple):
    """The config that a folder's run was started with."""

    config: TrainingConfig
    fingerprint: str


def finished_iterations(config: TrainingConfig) -> set[int]:
    """The iterations that a run of this config has finished; none if there is no such run. Nothing is written.

    Raises:
        FileFormatError: the config or the journal of the run is damaged.
    """
    path = config.experiments_dir / config.exp_name
    if why_not(path, config) or not (path / JOURNAL).exists():
        return set()
    journal = Journal(path / JOURNAL)
    try:
        return set(journal.finished())
    finally:
        journal.close()


def numbered(folder: Path, kind: str) -> list[tuple[int, Path]]:
    """The subfolders ``<kind>_<number>`` with their numbers, in order of the numbers."""
    pattern = re.compile(rf"{kind}_(0|[1-9][0-9]{{0,8}})")
    found = [(match, path) for path in _entries(folder) if (match := pattern.fullmatch(path.name)) and path.is_dir()]
    return sorted((int(match[1]), path) for match, path in found)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def free_names(name: str) -> Iterator[str]:
    """The name, and those to try when it is taken."""
    return itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))


def stored_config(path: Path) -> Stored | None:
    """The config that the folder's run was started with, None if there is none."""
    file = path / "config.json"
    if not file.exists():
        return None
    try:
        config = TrainingConfig.from_json(file)
    except FileFormatError as error:
        raise FileFormatError(f"{error}; or start the experiment anew with --overwrite") from None
    fingerprint = read_settings(file).get("fingerprint")
    return Stored(config, fingerprint if isinstance(fingerprint, str) else config.fingerprint())


def why_not(path: Path, config: TrainingConfig) -> str | None:
    """Why a run cannot use a folder, or None if it is empty or the run's own."""
    stored = stored_config(path)
    if stored is None:
        names = sorted(entry.name for entry in _entries(path))
        others = [name for name in names if not name.startswith(".") and not EVALUATION.fullmatch(name)]
        return f"{path} holds {short(others[0])} and no config.json, so it is not of this run" if others else None
    if stored.fingerprint == config.fingerprint():
        return None
    differences = [
        f"{field} is {short(there)} there and {short(here)} here"
        for field, here, there in config.differences(stored.config)
    ]
    changed = ", ".join(differences) or "a model's file, or config.json itself, was changed since it began"
    return f"experiment {path.name} exists with other settings: {changed}"


def clear(path: Path) -> None:
    """Remove what an earlier run left, the config first: without it, nothing else is taken for finished."""
    found = [entry for entry in _entries(path) if OURS.fullmatch(entry.name)]
    for entry in sorted(found, key=lambda one: (one.name != "config.json", one.name)):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
