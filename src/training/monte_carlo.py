"""MonteCarloTrainer: collect episodes, let learners learn from them, write everything down, again.

The trainer knows neither prompts nor tensors: it collects with the present policies and hands the record to its
learners. Whatever is finished stays finished: a run that was stopped, or killed, goes on with the first iteration that
is not. That one is made from its beginning, with the replies that are in the journal, and so comes out as if nothing
had happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from envs.faults import close
from envs.frames import require_mp4
from textgrad_agents.engines import Meter
from textgrad_agents.errors import BudgetError, ConfigError, TextgradAgentsError
from textgrad_agents.events import Event
from textgrad_agents.interfaces import Learner, UpdateReport
from textgrad_agents.optim.descent import TextualGradientDescent
from textgrad_agents.seeds import derive_seed
from textgrad_agents.session import Session
from textgrad_agents.trajectory import Episode
from training.comparison import compare
from training.config import TrainingConfig
from training.engines import NO_LIMITS, Engines, Limits, RunEngines
from training.episode_generator import EpisodeGenerator
from training.episode_loader import EpisodeLoader
from training.export import load_episode
from training.formatter import TrajectoryFormatter
from training.gate import check_pairs
from training.iteration import Iteration, TrainingStopped
from training.iteration_rows import Best, Row, best_version, iteration_row, without_better
from training.learners import Learners, make_gate, make_learners
from training.paradigms import ParadigmEvaluator
from training.pictures import Pictures
from training.run_events import RunEvents
from training.run_places import ACCOUNT
from training.runs import RunFolder
from training.token_tracker import TokenTracker
from training.two_by_two import Cell
from training.versions import Versions

Stats = Row


class MonteCarloTrainer:
    """Trains the policies of a team.

    Args:
        config: the run.
        engines: answer in place of the models that the config names.
        limits: what the run may use.
        overwrite: start anew where a run of this name exists.
        rebuild: make everything anew from the journal of a run.
        on_event: told of everything that happens, as it happens; called on the training thread.

    Attributes:
        config: the run, with the name that it really has.
        run: its folder, locked until `close`.
        policy_manager: all versions of the policies; None for rule agents.
        episode_loader: reads episodes from disk.
        episode_generator: plays episodes.
        formatter: writes an episode as the text that critics read.
        evaluator: the paradigm's questions.
        token_tracker: tokens and cost of the run.
        engines: the engines at work; None for rule agents.
        meter: what this start of the run sent, by role; None for rule agents.
        notes: what a user should know about the run's folder and policy file.
        stopped: True if training ended before its last iteration because it was asked to, or a limit is reached.
        stopped_early: True if it ended because the mean return got no better.
        limit_reached: which limit, None if none is.

    Raises:
        ConfigError: a setting cannot be used, or the run's name is taken by another run.
        MissingKeyError: a model's key is not set.
        FileFormatError: the policy file cannot be used.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        engines: Engines | None = None,
        limits: Limits = NO_LIMITS,
        overwrite: bool = False,
        rebuild: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        if config.save_mp4:
            require_mp4()
        if config.agent_type == "rule":
            engines = None
        else:
            engines = engines or Engines.of(config)
            engines.check(limits)
            if config.gate == "sequential":
                check_pairs(config.gate_episodes, config.alpha)
        environment = config.environment.make()
        self.run = RunFolder.open(config, overwrite=overwrite, rebuild=rebuild)
        self._local = engines.local if engines else None
        try:
            if self._local is not None:
                self._local.folder = self.run.path / "adapters"
            if engines:
                engines.check_base(self.run.journal.once("engines", engines.describe))
            check = self._local.use if self._local else None
            self.policy_manager = self.run.policies(environment.agents, check) if engines else None
        except TextgradAgentsError:
            self.run.abandon()
            raise
        self.config = self.run.config
        self.notes = tuple(self.run.notes)
        self._versions = Versions(self.policy_manager, self.run, self._writer()) if self.policy_manager else None
        self._events = RunEvents(self.run, on_event)
        self.engines = self._at_work(engines, limits) if engines else None
        self.episode_generator = EpisodeGenerator.of(config, self.engines.actor if self.engines else None)
        self._collector = self.episode_generator.collector(with_model=self.engines is not None)
        self.episode_loader = EpisodeLoader(config.experiments_dir)
        self.formatter = TrajectoryFormatter()
        self.evaluator = ParadigmEvaluator(
            config.paradigm, agents=environment.agents, environment=environment.name, rules=environment.rules
        )
        self.meter: Meter | None = self.engines.meter if self.engines else None
        self.token_tracker = TokenTracker(config.get_model_display_name())
        self.stopped = False
        self.stopped_early = False
        self.limit_reached: BudgetError | None = None
        self._stop = threading.Event()
        self._pictures = Pictures(self.run, config, self._stop.is_set)
        self._rows = self.run.finished()
        self._roles = {agent: environment.role_of(agent) for agent in environment.agents}
        self._learners = self._new_learners()
        self._learned: int | None = None  # the iteration that the learners have just learned from; None if unknown
        self._begun = False
        close(environment)

    @property
    def learners(self) -> tuple[Learner[Episode], ...]:
        """What learns from each iteration's episodes, in this order."""
        return self._learners.members

    @property
    def optimizer(self) -> TextualGradientDescent | None:
        """The optimizer of the policy texts; None for rule agents."""
        return self._learners.textual.optimizer if self._learners.textual else None

    # -- training ------------------------------------------------------------------------------------------------

    def train_full(self) -> list[Stats]:
        """Train from the first unfinished iteration to the last; returns the numbers of all iterations of the run.

        ``summary.json`` holds the same list. If training was asked to stop, or reaches a limit, `stopped` is True and
        the list ends with the last iteration that is finished. It ends before the last one, too, where the mean return
        got no better for as many iterations as the config's `patience` says.

        Raises:
            EngineError: a model cannot be reached, refuses, or no longer serves the run; what is finished is saved.
        """
        config, finished = self.config, self.run.finished()
        stats = [finished[i] for i in range(config.start_iteration) if i in finished]
        self._events.emit(
            "run_started", iterations=config.num_iterations, first=config.start_iteration, notes=list(self.notes)
        )
        try:
            for iteration in range(config.start_iteration, config.num_iterations):
                if iteration in finished and (self._versions is None or self._versions.is_saved(iteration)):
                    self._events.note(f"iteration {iteration} is finished; its result is reused")
                    stats.append(finished[iteration])
                elif self._is_stale(stats):
                    self._stop_early(stats[-1])
                    break
                else:
                    stats.append(self.train_one_iteration(iteration))
                self.run.write_summary(stats)
        except TrainingStopped:
            self.stopped = True
        except BudgetError as error:
            self.stopped, self.limit_reached = True, error
        if self._versions is not None:
            restore = self.config.restore_best and not self.stopped
            self._versions.keep_best(stats, restore=restore, note=self._events.note)
        self._pictures.draw(stats, lambda number: self._events.emit("drawing", episodes=number))
        self._events.emit("run_finished", stopped=self.stopped, stopped_early=self.stopped_early)
        return stats

    def train_one_iteration(self, iteration: int) -> Stats:
        """Collect the episodes of an iteration, learn from them, save; returns its numbers.

        Raises:
            TrainingStopped: `request_stop` was called.
            BudgetError: a limit is reached.
            EnvError: the environment failed in every episode.
        """
        with Session(
            seed=derive_seed(self.config.seed, "iteration", iteration), concurrency=self.config.concurrency
        ) as session:
            return session.portal.run(self._settled(self._iterate(iteration)))

    def request_stop(self) -> None:
        """Ask training to stop when the running episodes are finished. May be called from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Let other runs use the folder."""
        for problem in self._collector.close():
            self._events.emit("environment_not_closed", text=problem)
        if self.engines is not None:
            self.engines.close()
        self.run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def best(self) -> Best | None:
        """The version with the best mean return so far; None before the first iteration, and for rule agents."""
        return best_version(self.run.read_summary()) if self.policy_manager else None

    def compare(self, tasks: int) -> list[Cell]:
        """The present prompts and weights beside those that the run began with, on at least so many fresh tasks.

        Raises:
            ConfigError: agents follow a rule, or weights of the run are missing.
            EnvError: the environment failed in all episodes of a combination.
        """
        if self.engines is None or self.policy_manager is None:
            raise ConfigError("agents that follow a rule have no prompts and weights to compare")
        manager = self.policy_manager
        return compare(
            self.config,
            manager.file,
            manager.policy_path.parent,
            manager.agent_names,
            self.engines.actor,
            self._local,
            tasks,
        )

    def results(self) -> dict[str, Path]:
        """Where the run's results are, by what they are; files that do not exist are left out."""
        found: dict[str, Path] = {}
        if self.policy_manager is not None:
            found["policy"] = self.policy_manager.policy_path
            found["best policy"] = self.run.best_policy
        best = self._pictures.best()
        if best is not None:
            found["best episode"] = best
        found["reward curve"] = self.run.path / "reward_curve.png"
        found["summary"] = self.run.path / "summary.json"
        return {name: path for name, path in found.items() if path.exists()}

    # -- one iteration -------------------------------------------------------------------------------------------

    async def _settled(self, work: Coroutine[Any, Any, Stats]) -> Stats:
        """The result of `work`; if it fails, calls that are under way are waited for, because they are paid for."""
        try:
            return await work
        except BaseException:
            if self.engines is not None:
                await self.engines.settle()
            raise

    async def _iterate(self, number: int) -> Stats:
        self._events.emit("iteration_started", iteration=number)
        policies = self._begin(number)
        iteration = Iteration(number, self.config, self.run, self._collector, self._events, self._pictures, self._stop)
        episodes = await iteration.collect(policies)
        reports = await iteration.learn(self._learners, episodes)
        row = self._row(number, episodes, reports)
        self._finish(policies, row, reports)
        self._events.emit("iteration_finished", **row)
        return row

    def _begin(self, iteration: int) -> dict[str, str] | None:
        """Put everything where the iteration before left it; returns the policies that act."""
        if self.engines is None or self._versions is None:
            return None
        known = self.engines.begin(f"iteration {iteration}")
        if known:
            self._events.note(f"iteration {iteration} was begun; {known} replies are in the journal")
        go_on = self._learned is not None and self._learned == iteration - 1
        if not go_on and self._begun:
            self._learners = self._new_learners()
        if not go_on and iteration - 1 in self.run.finished():
            self._learners.load(self.run.learners(iteration - 1))
        self._learned, self._begun = None, True
        policies = self._versions.begin(iteration)
        self._learners.set_policies(policies)
        if self._local is not None and not go_on:
            manager = self._versions.manager
            self._local.use(manager.get_current_weights(), manager.policy_path.parent)
        return policies

    def _row(self, iteration: int, episodes: Sequence[Episode], reports: Sequence[UpdateReport]) -> Row:
        used = self.engines.used() if self.engines else {}
        for tally in used.values():
            self.token_tracker.add_usage(tally.usage)
        earlier = [self._rows[i] for i in sorted(self._rows) if i < iteration]
        row = iteration_row(iteration, self.config.paradigm, episodes, reports, used, earlier)
        self._rows[iteration] = row
        return row

    def _finish(self, before: dict[str, str] | None, row: Row, reports: Sequence[UpdateReport]) -> None:
        """Save what was learned, and last of all record that the iteration is finished."""
        iteration: int = row["iteration"]
        self._learners.save(self.run.learners(iteration))
        if self._versions is not None and before is not None:
            weights = None
            if self._local is not None:
                weights = self._local.keep(self._versions.manager.policy_path)
            self._versions.save(before, self._learners.policies(before), row, reports, weights=weights)
        self.run.finish(row)
        self._learned = iteration

    def _is_stale(self, stats: Sequence[Row]) -> bool:
        patience = self.config.patience
        return patience is not None and without_better(stats, self.config.min_delta) >= patience

    def _stop_early(self, row: Row) -> None:
        self.stopped_early = True
        best = {name: row[name] for name in ("best_iteration", "best_avg_reward")}
        self._events.emit("stopped_early", iteration=row["iteration"], patience=self.config.patience, **best)

    # -- pieces --------------------------------------------------------------------------------------------------

    def _at_work(self, engines: Engines, limits: Limits) -> RunEngines:
        return RunEngines(
            engines,
            self.run.journal,
            limits=limits,
            account=self.run.path / ACCOUNT,
            concurrency=self.config.concurrency,
            on_try=self._events.tried,
        )

    def _writer(self) -> str | None:
        """Name of the model that writes policies; None where nobody does."""
        return None if self.config.update == "weights" else self.config.get_optimizer_llm_config().name

    def _new_learners(self) -> Learners:
        if self.engines is None or self._versions is None or self.policy_manager is None:
            return Learners()
        return make_learners(
            self.config,
            self.policy_manager.get_current_policies(),
            self.evaluator,
            self._roles,
            critic=self.engines.critic,
            optimizer=self.engines.optimizer,
            gate=make_gate(self.config, self._collector, self.run, self._paired, self._local),
            local=self._local,
            read=lambda iteration, number: load_episode(self.run.episode(iteration, number)),
            events=self._events,
        )

    def _paired(self, row: dict[str, Any]) -> None:
        self._events.paired(row)
        if self._stop.is_set():
            raise TrainingStopped("training was asked to stop")
