"""One iteration of Monte-Carlo training: collect episodes, have them judged, let learners learn, keep the record."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from textgrad_agents.errors import EnvError, TextgradAgentsError
from textgrad_agents.files import write_text
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.trajectory import Episode
from training.collect import Collector
from training.config import TrainingConfig
from training.export import write_episode
from training.learners import Learners, batches
from training.pictures import Pictures
from training.run_events import RunEvents
from training.runs import RunFolder


class TrainingStopped(TextgradAgentsError):
    """Training was asked to stop; what is finished is saved."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration.

    Attributes:
        number: from 0.
        config: of the run.
        run: its folder.
        collector: plays the episodes.
        events: told of everything.
        pictures: say where those of an episode belong.
        stop: set when training is asked to stop.
    """

    number: int
    config: TrainingConfig
    run: RunFolder
    collector: Collector
    events: RunEvents
    pictures: Pictures
    stop: threading.Event

    async def collect(self, policies: Mapping[str, str] | None) -> list[Episode]:
        """All episodes, each written down when it is over.

        Args:
            policies: who acts; None for the rule.

        Raises:
            TrainingStopped: not all of them were begun.
            EnvError: the environment failed in every episode.
        """
        wanted = self.config.trajectories_per_iteration
        episodes = await self.collector.collect(
            policies,
            branch="train",
            iteration=self.number,
            episodes=range(wanted),
            temperature=self.config.exploration,
            done=self._record,
            stop=self.stop.is_set,
        )
        if len(episodes) < wanted:
            raise TrainingStopped(f"stopped after {len(episodes)} of {wanted} episodes of iteration {self.number}")
        if all(episode.error is not None for episode in episodes):
            raise EnvError(f"the environment failed in all {len(episodes)} episodes: {episodes[0].error}")
        return episodes

    async def learn(self, learners: Learners, episodes: Sequence[Episode]) -> list[UpdateReport]:
        """One update for each mini-batch, the critic first, then each learner.

        Returns:
            The reports of the learners, then those of the critic.

        Raises:
            TrainingStopped: training is to stop.
        """
        judgements: list[UpdateReport] = []
        updates: list[UpdateReport] = []
        for batch in batches(episodes, self.config.mini_batch_size):
            self.check_stop()
            judged, reports = await learners.judge(batch)
            judgements += reports
            for learner in learners.members:
                self.check_stop()
                updates.append(await learner.update(judged))
        self._keep([*judgements, *updates], episodes)
        return [*updates, *judgements]

    def check_stop(self) -> None:
        """Go no further if training is to stop.

        Raises:
            TrainingStopped: it is.
        """
        if self.stop.is_set():
            raise TrainingStopped("training was asked to stop")

    def _record(self, episode: Episode) -> None:
        self._write(episode)
        self.events.played(episode)

    def _write(self, episode: Episode) -> None:
        gif = self.pictures.place(self.number, episode.episode_id) if self.config.save_gif else None
        folder = self.run.episode(self.number, episode.episode_id)
        write_episode(folder, episode, agent_type=self.config.agent_type, gif_path=gif)

    def _keep(self, reports: Sequence[UpdateReport], episodes: Sequence[Episode]) -> None:
        """Write what reports add to the record; texts of one name follow each other in one file."""
        files: dict[str, list[str]] = {}
        for report in reports:
            for name, text in report.files.items():
                files.setdefault(name, []).append(text)
            for episode in episodes:
                if credits := report.credits.get(episode.episode_id):
                    self._write(replace(episode, credits=credits))  # in place of those of an earlier try
        for name, texts in files.items():
            write_text(self.run.iteration(self.number) / name, "\n".join(texts))
        for report in reports:
            self.events.updated(report, self.number)
