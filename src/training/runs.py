"""The folder of a run: whose it is, what is finished in it, and that no second run writes into it.

experiments/<exp_name>/journal.sqlite                 what models said, and which iterations are finished
                      /budget.sqlite                  what was spent
                      /config.json, summary.json, events.jsonl, policy.json, best_policy.json, reward_curve.png
                      /iteration_<i>/episode_<j>/…    episodes to learn from
                      /iteration_<i>/gate/…           what decided about new policies
                      /iteration_<i>/learners/…       what learners remember after the iteration

The journal is what counts; everything else but the account of the budget and the events follows from it. An iteration
is finished when the journal says so, and that is written last.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json, remove_unfinished, write_json
from textgrad_agents.journal import Journal
from textgrad_agents.loggers import FileLogger
from textgrad_agents.policy import AdapterReference, parse_policy_file, read_policy_file
from textgrad_agents.validation import short
from training.config import TrainingConfig
from training.policy_manager import DEFAULT_POLICY, PolicyManager, choose_policy_file
from training.run_lock import HOLDER, LOCK, RunLock, now
from training.run_places import JOURNAL, clear, free_names, numbered, stored_config, why_not


class RunFolder:
    """The folder of one run, locked against other writers until `close`. Made by `RunFolder.open`.

    Attributes:
        path: the folder.
        config: the run's config, with the name that the run really has.
        resumed: True if the run was started before.
        rebuilding: True if everything is made anew from the journal.
        notes: what to tell the user about the choice of folder and policy file, in order.
        logger: takes the run's events.
        journal: the run's journal.
    """

    def __init__(
        self, path: Path, config: TrainingConfig, lock: RunLock, *, resumed: bool, fresh: bool, rebuilding: bool
    ) -> None:
        self.path = path
        self.config = config
        self.resumed = resumed
        self.rebuilding = rebuilding
        self.notes: list[str] = []
        self.logger = FileLogger(path / "events.jsonl")
        self.journal = Journal(path / JOURNAL)
        self._lock = lock
        self._fresh = fresh

    @classmethod
    def open(cls, config: TrainingConfig, *, overwrite: bool = False, rebuild: bool = False) -> Self:
        """Take the folder that a config's run belongs into.

        The same run again continues. Another run of the same name gets the next free name if nobody chose the name,
        and is refused if somebody did.

        Args:
            config: the run.
            overwrite: start anew in place of an earlier run of this name.
            rebuild: take nothing for finished, so that all is made anew from the journal.

        Raises:
            ConfigError: the name belongs to another run, another process writes there, the folder cannot be written, or
                the run's journal is missing.
            FileFormatError: the config or the journal of the earlier run is damaged.
        """
        try:
            return cls._open(config, overwrite, rebuild)
        except OSError as error:
            raise ConfigError(
                f"experiments folder {config.experiments_dir} cannot be written: {error.strerror or error}"
                f"{f' ({error.filename})' if error.filename else ''}; choose another with --experiments_dir"
            ) from None

    @classmethod
    def _open(cls, config: TrainingConfig, overwrite: bool, rebuild: bool) -> Self:
        chosen = "exp_name" in config.model_fields_set
        taken: str | None = None
        for name in free_names(config.exp_name):
            path = config.experiments_dir / name
            if path.is_symlink():
                raise ConfigError(f"{path} is a link; runs are written into real folders: choose another --exp_name")
            problem = None if overwrite else why_not(path, config)
            if problem is None:
                path.mkdir(parents=True, exist_ok=True)
                lock = RunLock(path)
                try:
                    problem = None if overwrite else why_not(path, config)
                    if problem is None:
                        return cls._begin(path, config, lock, overwrite, rebuild, taken)
                except BaseException:
                    lock.release()
                    raise
                lock.release()
            if chosen:
                raise ConfigError(f"{problem}; choose another --exp_name, or start it anew with --overwrite")
            taken = taken or problem
        raise AssertionError("unreachable: names never end")

    @classmethod
    def _begin(
        cls, path: Path, config: TrainingConfig, lock: RunLock, overwrite: bool, rebuild: bool, taken: str | None
    ) -> Self:
        """Write the config into a folder that is ours and locked; `taken` says why it is not the one of the name."""
        mine = config.replaced(exp_name=path.name) if taken else config
        if overwrite:
            clear(path)
        stored = stored_config(path)
        if stored is not None and numbered(path, "iteration") and not (path / JOURNAL).exists():
            raise ConfigError(
                f"experiment {path.name} cannot go on: its journal {path / JOURNAL} is missing, and with it what models"
                " said; restore the file, or start the experiment anew with --overwrite"
            )
        remove_unfinished(path)
        start = mine.start_iteration if stored is None else min(stored.config.start_iteration, mine.start_iteration)
        begun = mine.replaced(start_iteration=start)
        begun.to_json(path / "config.json")
        run = cls(path, mine, lock, resumed=stored is not None, fresh=overwrite, rebuilding=rebuild)
        run.journal.once("config", begun.to_dict)
        if taken:
            run.notes.append(f"{taken}; this run is {path.name}")
        if run.resumed:
            run.notes.append(f"experiment {path.name} was started before; what is finished in {path} is reused")
        return run

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.name

    def policies(
        self,
        agents: Sequence[str],
        check_weights: Callable[[AdapterReference | None, Path], None] | None = None,
    ) -> PolicyManager:
        """The policies of the run, in the file that it may write.

        Args:
            agents: names of the run's agents.
            check_weights: told of the weights that the run starts from, before a file is written.

        Raises:
            FileFormatError: the policy file is damaged, or was named and is for other agents.
            ConfigError: the run is to go on and the file is not the one it wrote, or the file cannot be written.
        """
        began = self.journal.once("began", now)
        if self.rebuilding:
            return self._first_policies(agents)
        path, own = self.config.policy_path, self.path / "policy.json"
        place = choose_policy_file(
            path,
            read_policy_file(path) if path.exists() else None,
            own=own,
            own_exists=own.exists(),
            agents=agents,
            experiment=self.name,
            given="policy_path" in self.config.model_fields_set,
            continuing=self.resumed and self.latest_iteration() is not None,
            overwrite=self._fresh,
        )
        if place.note:
            self.notes.append(place.note)
        remove_unfinished(place.write.parent, place.write.name)
        first = self.config.first_policy or DEFAULT_POLICY
        manager = PolicyManager.for_run(
            place, agents, self.name, timestamp=began, first=first, check_weights=check_weights
        )
        written = None if manager.policy_path == own else str(manager.policy_path)
        self.journal.once("policies", lambda: {"path": written, "file": manager.file.to_dict()})
        return manager

    @property
    def policy_path(self) -> Path:
        """The policy file that the run writes, as its first start found out."""
        written = self.journal.fact("policies")["path"]
        return self.path / "policy.json" if written is None else Path(written)

    @property
    def best_policy(self) -> Path:
        """The file of the best policies so far."""
        return self.path / "best_policy.json"

    def _first_policies(self, agents: Sequence[str]) -> PolicyManager:
        """The policies that the run began with, in a file beside the one that it writes."""
        path = self.policy_path.with_name(f"{self.policy_path.name}.rebuilt")
        file = parse_policy_file(self.journal.fact("policies")["file"], f"first policies in {self.journal.path}")
        return PolicyManager(path, agent_names=agents, file=file)

    def finished(self) -> dict[int, dict[str, Any]]:
        """The numbers of the iterations that are finished."""
        return {} if self.rebuilding else self.journal.finished()

    def finish(self, numbers: Mapping[str, Any]) -> None:
        """Record that an iteration is finished; what belongs to it has been written.

        Raises:
            FileFormatError: the iteration was made anew from the journal and came out otherwise.
        """
        iteration: int = numbers["iteration"]
        if not self.rebuilding:
            self.journal.finish(iteration, numbers)
            return
        recorded, made = self.journal.finished()[iteration], json.loads(json.dumps(numbers))
        for name in (name for name in recorded if recorded[name] != made.get(name)):
            raise FileFormatError(
                f"iteration {iteration} of experiment {self.name} does not come out as the journal has it: {name} is "
                f"{short(made.get(name))} and was {short(recorded[name])}; the program, an environment or the machine "
                "changed since"
            )

    def time_of(self, name: str) -> str:
        """When something was done first, ISO 8601: now, if it was not done before."""
        return self.journal.once(f"time of {name}", now)

    def learners(self, iteration: int) -> Path:
        """Folder of what learners remember after an iteration."""
        return self._inside(f"iteration_{iteration}", "learners")

    def iteration(self, iteration: int) -> Path:
        """Folder of an iteration."""
        return self._inside(f"iteration_{iteration}")

    def episode(self, iteration: int, episode: int) -> Path:
        """Folder of an episode."""
        return self._inside(f"iteration_{iteration}", f"episode_{episode}")

    def gate(self, iteration: int) -> Path:
        """Folder of what decided about an iteration's new policies."""
        return self._inside(f"iteration_{iteration}", "gate")

    def latest_iteration(self) -> int | None:
        """Number of the last iteration that has a folder."""
        return max((number for number, _ in numbered(self.path, "iteration")), default=None)

    def write_summary(self, stats: Sequence[dict[str, Any]]) -> None:
        """Write the numbers of all iterations to ``summary.json``."""
        write_json(self.path / "summary.json", list(stats))

    def read_summary(self) -> list[dict[str, Any]]:
        """The numbers of the iterations that are finished; none if there is no ``summary.json``.

        Raises:
            FileFormatError: the file is damaged.
        """
        path = self.path / "summary.json"
        if not path.exists():
            return []
        rows: object = read_json(path, what="summary file")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in cast("list[object]", rows)):
            raise FileFormatError(f"summary file {path} must hold a list of objects; delete it")
        return cast("list[dict[str, Any]]", rows)

    def abandon(self) -> None:
        """Close a run that could not begin; a folder that was made for it is removed."""
        if not self.resumed and not any(self.path.glob("iteration_*")):
            self.journal.close()
            for name in ("config.json", "events.jsonl", JOURNAL, HOLDER, LOCK):
                (self.path / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it holds what is not ours
                self.path.rmdir()
                self.path.parent.rmdir()
        self.close()

    def close(self) -> None:
        """Let others write here."""
        self.logger.close()
        self.journal.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _inside(self, *parts: str) -> Path:
        """A path below the folder, on which no link leads elsewhere."""
        path = self.path
        for part in parts:
            path /= part
            if path.is_symlink():
                raise ConfigError(f"{path} is a link; runs are written into real folders: remove it")
        return path
