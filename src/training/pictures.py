"""The pictures of a run: episodes, drawn afterwards from the record, and the reward curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from training.config import TrainingConfig
from training.drawing import draw_episode
from training.export import load_episode
from training.iteration_rows import Row
from training.plot import plot_rewards
from training.runs import RunFolder


class Pictures:
    """Draws what a run recorded.

    Args:
        run: the run.
        config: says which pictures are wanted.
        stop: asked before each episode; True leaves the others undrawn.
    """

    def __init__(self, run: RunFolder, config: TrainingConfig, stop: Callable[[], bool]) -> None:
        self._run = run
        self._episodes = config.trajectories_per_iteration
        self._kinds = [kind for kind, wanted in (("gif", config.save_gif), ("mp4", config.save_mp4)) if wanted]
        self._stop = stop

    def place(self, iteration: int, episode: int, kind: str = "gif") -> Path:
        """Where the picture of an episode belongs."""
        return self._run.episode(iteration, episode) / f"episode_{episode}.{kind}"

    def draw(self, rows: Sequence[Row], begin: Callable[[int], None]) -> None:
        """Draw the episodes of these iterations that are not drawn yet, and the curve.

        Args:
            rows: the numbers of the iterations.
            begin: told how many pictures of episodes there are to draw.
        """
        places = [(row["iteration"], j, kind) for row in rows for j in range(self._episodes) for kind in self._kinds]
        missing = [place for place in places if not self.place(*place).exists()]
        if self._kinds:
            begin(len(missing))
        for iteration, number, kind in missing:
            if self._stop():
                break
            episode = load_episode(self._run.episode(iteration, number))
            if episode.error is None:
                draw_episode(episode, self.place(iteration, number, kind))
        if rows:
            plot_rewards(rows, self._run.path / "reward_curve.png")

    def best(self) -> Path | None:
        """The picture of the episode with the highest return of those that are drawn."""
        ranked = sorted(
            (
                (reward, row["iteration"], j)
                for row in self._run.read_summary()
                for j, reward in enumerate(row["rewards"])
            ),
            reverse=True,
        )
        return next((path for _, i, j in ranked if (path := self.place(i, j)).exists()), None)
