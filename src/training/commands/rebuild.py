"""`textgrad-agents rebuild`: the files of a run, made anew from its journal.

Needs the journal and nothing else of the run's folder: no key, no network, no model. The finished iterations are made
again, with the replies from the journal; so the environments and this program must be those of the run. What comes out
is compared with the numbers in the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import write_json
from textgrad_agents.journal import Journal
from training.command_line import Parser
from training.config import TrainingConfig
from training.engines import Engines
from training.monte_carlo import MonteCarloTrainer, Stats
from training.run_places import JOURNAL
from training.tables import say


def main(arguments: Sequence[str]) -> int:
    """Rebuild a run."""
    parser = Parser(
        prog="textgrad-agents rebuild",
        description="Make the files of a run anew from its journal: episodes, evaluations, policies, summary. This "
        "needs the journal alone, no key and no network. The policy file goes to where the run wrote it; another one "
        "that is there is kept beside it.",
    )
    parser.add_argument("exp_name", metavar="EXP", help="name of the run")
    parser.add_argument("--experiments_dir", type=Path, default=Path("experiments"), metavar="DIR")
    flags = parser.parse_args(arguments)
    folder = flags.experiments_dir / flags.exp_name
    stats = rebuild(folder)
    episodes = sum(len(row["rewards"]) + row["failed_episodes"] for row in stats)
    say(f"{folder}: {len(stats)} iterations with {episodes} episodes made anew")
    return 0


def rebuild(folder: Path) -> list[Stats]:
    """Make the files of the run in `folder` anew; returns the numbers of its iterations.

    Raises:
        ConfigError: another process writes there, or no iteration is finished.
        FileFormatError: there is no journal, it is damaged, or what comes out is not what it says.
        EngineAccessError: the journal lacks a reply.
    """
    known, finished = _read(folder / JOURNAL)
    config = _config(folder, known["config"], finished)
    engines = None if config.agent_type == "rule" else Engines.recorded(known["engines"], config)
    with MonteCarloTrainer(config, engines=engines, rebuild=True) as trainer:
        try:
            stats = trainer.train_full()
        except BaseException:
            if trainer.policy_manager is not None:
                trainer.policy_manager.policy_path.unlink(missing_ok=True)
            raise
        if trainer.policy_manager is not None:
            _put(trainer.policy_manager.policy_path, trainer.run.policy_path)
    return stats


def _read(path: Path) -> tuple[dict[str, Any], list[int]]:
    """What the journal says of config and engines, and the iterations that are finished."""
    if not path.exists():
        raise FileFormatError(f"there is no journal {path}; a run can be rebuilt from its journal alone")
    journal = Journal(path)
    try:
        known, finished = {name: journal.fact(name) for name in ("config", "engines")}, list(journal.finished())
    finally:
        journal.close()
    if not finished:
        raise ConfigError(f"nothing to rebuild: no iteration is finished in {path}; start the run again to go on")
    return known, finished


def _config(folder: Path, first: dict[str, Any], finished: Sequence[int]) -> TrainingConfig:
    """The config of the finished iterations; ``config.json`` is made anew if it cannot be read."""
    path = folder / "config.json"
    place = {"exp_name": folder.name, "experiments_dir": folder.parent}
    changes = {**place, "start_iteration": min(finished), "num_iterations": max(finished) + 1, "patience": None}
    try:
        return TrainingConfig.from_json(path, **changes)
    except FileFormatError:
        write_json(path, first)
        return TrainingConfig.from_json(path, **changes)


def _put(made: Path, path: Path) -> None:
    """Put the rebuilt policy file in its place; one that holds something else is kept."""
    if path.exists() and path.read_bytes() != made.read_bytes():
        kept = path.with_name(f"{path.name}.before")
        path.replace(kept)
        say(f"policy file {path} is made anew; as it was, it is {kept}")
    made.replace(path)
