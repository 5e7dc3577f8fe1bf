"""MonteCarloTrainer: collect episodes, let learners learn from them, write everything down, again.

The trainer knows neither prompts nor tensors: it collects with the present policies and hands the record to its
learners. Whatever is finished stays finished: a run that was stopped, or killed, goes on with the first iteration that
is not. That one is made from its beginning, with the replies that are in the journal, and so comes out as if nothing
had happened.
"""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from textgrad_agents.engines import Meter
from textgrad_agents.engines.middleware import Tally, Try
from textgrad_agents.errors import BudgetError, EnvError, TextgradAgentsError
from textgrad_agents.events import Event
from textgrad_agents.files import write_text
from textgrad_agents.interfaces import EngineRole, Learner, UpdateReport
from textgrad_agents.messages import Usage
from textgrad_agents.policy import Lineage, team_hash
from textgrad_agents.seeds import derive_seed
from textgrad_agents.session import Session
from textgrad_agents.trajectory import Episode
from training.config import TrainingConfig
from training.drawing import draw_episode
from training.engines import NO_LIMITS, Engines, Limits, RunEngines
from training.episode_generator import EpisodeGenerator
from training.episode_loader import EpisodeLoader
from training.export import load_episode, write_episode
from training.formatter import TrajectoryFormatter
from training.gate import AlwaysAccept, PairedGate, check_pairs
from training.paradigms import ParadigmEvaluator
from training.replay import Evaluation
from training.runs import ACCOUNT, RunFolder
from training.textual import Gate, TextualLearner
from training.token_tracker import TokenTracker

Stats = dict[str, Any]


class TrainingStopped(TextgradAgentsError):
    """Training was asked to stop; what is finished is saved."""


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
        policy_manager: all versions of the policies.
        episode_loader: reads episodes from disk.
        episode_generator: plays and draws episodes.
        formatter: writes an episode as the text that critics read.
        evaluator: the paradigm's questions.
        optimizer: the optimizer of the policy texts; None for rule agents.
        token_tracker: tokens and cost of the run.
        engines: the engines at work; None for rule agents.
        meter: what this start of the run sent, by role; None for rule agents.
        learners: what learns from each iteration's episodes.
        notes: what a user should know about the run's folder and policy file.
        stopped: True if training ended early: it was asked to, or a limit is reached.
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
        if config.agent_type == "rule":
            engines = None
        else:
            engines = engines or Engines.of(config)
            engines.check(limits)
            if config.gate == "sequential":
                check_pairs(config.gate_episodes, config.alpha)
        environment = config.environment.make()
        self.run = RunFolder.open(config, overwrite=overwrite, rebuild=rebuild)
        try:
            self.policy_manager = self.run.policies(environment.agents) if engines else None
        except TextgradAgentsError:
            self.run.abandon()
            raise
        self.config = self.run.config
        self.notes = tuple(self.run.notes)
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
        self.limit_reached: BudgetError | None = None
        self._stop = threading.Event()
        self._on_event = on_event
        self._learned = -1
        self._textual: TextualLearner | None = None
        if self.engines is not None and self.policy_manager is not None:
            self._textual = TextualLearner(
                self.policy_manager.get_current_policies(),
                self.evaluator,
                self.engines.critic,
                self.engines.optimizer,
                self._gate(),
                roles={agent: environment.role_of(agent) for agent in environment.agents},
                seed=config.seed,
                report=self._evaluated,
            )
        self.optimizer = self._textual.optimizer if self._textual else None
        self.learners: tuple[Learner[Episode], ...] = (self._textual,) if self._textual else ()
        environment.close()

    # -- training ------------------------------------------------------------------------------------------------

    def train_full(self) -> list[Stats]:
        """Train from the first unfinished iteration to the last; returns the numbers of all iterations of the run.

        ``summary.json`` holds the same list. If training was asked to stop, or reaches a limit, `stopped` is True and
        the list ends with the last iteration that is finished.

        Raises:
            EngineError: a model cannot be reached, refuses, or no longer serves the run; what is finished is saved.
        """
        finished = self.run.finished()
        stats = [finished[i] for i in range(self.config.start_iteration) if i in finished]
        self._emit("run_started", iterations=self.config.num_iterations, first=self.config.start_iteration)
        try:
            for iteration in range(self.config.start_iteration, self.config.num_iterations):
                if iteration in finished and self._is_saved(iteration):
                    self._emit("note", text=f"iteration {iteration} is finished; its result is reused")
                    stats.append(finished[iteration])
                else:
                    stats.append(self.train_one_iteration(iteration))
                self.run.write_summary(stats)
        except TrainingStopped:
            self.stopped = True
        except BudgetError as error:
            self.stopped, self.limit_reached = True, error
        self._draw(stats)
        self._emit("run_finished", stopped=self.stopped)
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
        self._collector.close()
        if self.engines is not None:
            self.engines.close()
        self.run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def results(self) -> dict[str, Path]:
        """Where the run's results are, by what they are; files that do not exist are left out."""
        found: dict[str, Path] = {}
        if self.policy_manager is not None:
            found["policy"] = self.policy_manager.policy_path
        best = self._best_gif()
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

    async def _iterate(self, iteration: int) -> Stats:
        self._emit("iteration_started", iteration=iteration)
        policies = self._begin(iteration)
        episodes = await self._collect(iteration, policies)
        sound = [episode for episode in episodes if episode.error is None]
        if not sound:
            raise EnvError(f"the environment failed in all {len(episodes)} episodes: {episodes[0].error}")
        reports: list[UpdateReport] = []
        for learner in self.learners:
            self._check_stop()
            reports.append(await learner.update(episodes))
        for report in reports:
            self._keep(report, iteration, episodes)
        stats = self._stats(iteration, sound, reports)
        self._finish(policies, stats, reports)
        self._emit("iteration_finished", **stats)
        return stats

    def _begin(self, iteration: int) -> dict[str, str] | None:
        """Put everything where the iteration before left it; returns the policies that act."""
        if self.engines is None:
            return None
        known = self.engines.begin(f"iteration {iteration}")
        if known:
            self._emit("note", text=f"iteration {iteration} was begun; {known} replies are in the journal")
        if self._learned != iteration - 1 and iteration - 1 in self.run.finished():
            for learner in self.learners:
                learner.load(self.run.learners(iteration - 1))
        return self._load_policies(iteration)

    def _load_policies(self, iteration: int) -> dict[str, str] | None:
        """The policies that an iteration begins with: its own version, else the one before, else the current one."""
        manager = self.policy_manager
        if manager is None or self._textual is None:
            return None
        for number in (manager.first_iteration + iteration, manager.first_iteration + iteration - 1):
            if number in manager.file.iterations:
                if number != manager.current_iteration:
                    manager.reset_to_iteration(number)
                break
        policies = manager.get_current_policies()
        self._textual.set_policies(policies)
        return policies

    async def _collect(self, iteration: int, policies: dict[str, str] | None) -> list[Episode]:
        """All episodes of an iteration, each written down when it is over."""
        wanted = self.config.trajectories_per_iteration
        episodes = await self._collector.collect(
            policies,
            branch="train",
            iteration=iteration,
            episodes=range(wanted),
            temperature=self.config.exploration,
            done=self._record,
            stop=self._stop.is_set,
        )
        if len(episodes) < wanted:
            raise TrainingStopped(f"stopped after {len(episodes)} of {wanted} episodes of iteration {iteration}")
        return episodes

    def _record(self, episode: Episode) -> None:
        self._write(episode)
        self._played(episode)

    def _write(self, episode: Episode) -> None:
        folder = self.run.episode(episode.iteration, episode.episode_id)
        gif = f"episode_{episode.episode_id}.gif" if self.config.save_gif else None
        write_episode(folder, episode, agent_type=self.config.agent_type, gif_path=folder / gif if gif else None)

    def _keep(self, report: UpdateReport, iteration: int, episodes: list[Episode]) -> None:
        """Write what an update adds to the record of its iteration."""
        for name, text in report.files.items():
            write_text(self.run.iteration(iteration) / name, text)
        for episode in episodes:
            credits = report.credits.get(episode.episode_id)
            if credits:
                self._write(replace(episode, credits=credits))  # in place of those of an earlier try
        self._emit(
            "updated", iteration=iteration, learner=report.learner, changed=report.changed, metrics=dict(report.metrics)
        )

    def _stats(self, iteration: int, sound: list[Episode], reports: list[UpdateReport]) -> Stats:
        rewards = [episode.total_reward for episode in sound]
        used = self.engines.used() if self.engines else {}
        spent, text = sum(used.values(), Tally()), _of(used, "critic") + _of(used, "optimizer")
        self.token_tracker.add_usage(spent.usage)
        return {
            "iteration": iteration,
            "paradigm": self.config.paradigm,
            "avg_reward": statistics.fmean(rewards),
            "rewards": rewards,
            "min_reward": min(rewards),
            "max_reward": max(rewards),
            "failed_episodes": self.config.trajectories_per_iteration - len(sound),
            "parse_failures": sum(not step.parsed for episode in sound for step in episode.steps()),
            "accepted": any(report.changed for report in reports),
            "decision": "; ".join(note for report in reports for note in report.notes) or "nothing learns",
            "input_tokens": spent.usage.input_tokens,
            "output_tokens": spent.usage.output_tokens,
            "total_tokens": _tokens(spent.usage),
            "cost_usd": spent.cost_usd,
            "textgrad_estimated_tokens": _tokens(text.usage),
            "textgrad_queries": text.calls,
            "by_role": {
                role: {
                    "calls": tally.calls,
                    "input_tokens": tally.usage.input_tokens,
                    "output_tokens": tally.usage.output_tokens,
                    "cost_usd": tally.cost_usd,
                }
                for role, tally in used.items()
            },
        }

    def _finish(self, before: dict[str, str] | None, stats: Stats, reports: list[UpdateReport]) -> None:
        """Save what was learned, and last of all record that the iteration is finished."""
        iteration: int = stats["iteration"]
        for learner in self.learners:
            learner.save(self.run.learners(iteration))
        if self.policy_manager is not None and self._textual is not None and before is not None:
            lineage = Lineage(
                parent=team_hash(before),
                model=self.config.get_textgrad_llm_config().name,
                accepted=stats["accepted"],
                score=next((report.metrics["score"] for report in reports if "score" in report.metrics), None),
            )
            self.policy_manager.save_updated_policies(
                self._textual.policies, stats, timestamp=self.run.time_of(f"iteration {iteration}"), lineage=lineage
            )
        self.run.finish(stats)
        self._learned = iteration

    def _is_saved(self, iteration: int) -> bool:
        manager = self.policy_manager
        return manager is None or manager.first_iteration + iteration + 1 in manager.file.iterations

    # -- pieces --------------------------------------------------------------------------------------------------

    def _at_work(self, engines: Engines, limits: Limits) -> RunEngines:
        self.run.journal.once("engines", engines.describe)
        return RunEngines(
            engines,
            self.run.journal,
            limits=limits,
            account=self.run.path / ACCOUNT,
            concurrency=self.config.concurrency,
            on_try=self._tried,
        )

    def _gate(self) -> Gate:
        config = self.config
        if config.gate == "none":
            return AlwaysAccept()
        return PairedGate(
            self._collector,
            self.run.gate,
            max_pairs=config.gate_episodes,
            alpha=config.alpha,
            sequential=config.gate == "sequential",
            done=self._paired,
        )

    def _draw(self, stats: list[Stats]) -> None:
        """Draw episodes and the reward curve; drawing is never worth losing a run for."""
        from training.plot import plot_rewards

        if self.config.save_gif:
            missing = [(row["iteration"], j) for row in stats for j in range(self.config.trajectories_per_iteration)]
            missing = [place for place in missing if not self._gif(*place).exists()]
            self._emit("drawing", episodes=len(missing))
            for iteration, number in missing:
                if self._stop.is_set():
                    break
                episode = load_episode(self.run.episode(iteration, number))
                if episode.error is None:
                    draw_episode(episode, self._gif(iteration, number))
        if stats:
            plot_rewards(stats, self.run.path / "reward_curve.png")

    def _gif(self, iteration: int, episode: int) -> Path:
        return self.run.episode(iteration, episode) / f"episode_{episode}.gif"

    def _best_gif(self) -> Path | None:
        ranked = sorted(
            (
                (reward, row["iteration"], number)
                for row in self.run.read_summary()
                for number, reward in enumerate(row["rewards"])
            ),
            reverse=True,
        )
        return next((path for _, i, j in ranked if (path := self._gif(i, j)).exists()), None)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise TrainingStopped("training was asked to stop")

    # -- events --------------------------------------------------------------------------------------------------

    def _emit(self, kind: str, *, iteration: int | None = None, episode: int | None = None, **data: Any) -> None:
        event = Event.now(self.run.name, kind, iteration=iteration, episode=episode, **data)
        self.run.logger.log(event)
        if self._on_event is not None:
            self._on_event(event)

    def _tried(self, one: Try) -> None:
        if one.outcome != "answered":
            self._emit(
                "try_failed",
                engine=one.engine,
                role=one.role,
                number=one.number,
                fault=one.outcome,
                seconds=one.seconds,
                next_in=one.wait,
                tokens=None if one.usage is None else _tokens(one.usage),
                cost_usd=one.cost_usd,
            )

    def _played(self, episode: Episode) -> None:
        self._emit(
            "episode_finished",
            iteration=episode.iteration,
            episode=episode.episode_id,
            reward=episode.total_reward,
            length=episode.length,
            error=episode.error,
        )

    def _evaluated(self, evaluation: Evaluation) -> None:
        self._emit(
            "evaluation_finished",
            episode=evaluation.episode_id,
            label=evaluation.question.label,
            form=evaluation.reading.form,
            missing=list(evaluation.reading.missing),
            error=evaluation.error,
        )

    def _paired(self, row: dict[str, Any]) -> None:
        self._emit("gate_pair_finished", **row)
        self._check_stop()


def _of(used: dict[EngineRole, Tally], role: EngineRole) -> Tally:
    return used.get(role, Tally())


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens
