"""`EpisodeLoader`: the episodes of finished and running experiments, from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.trajectory import Episode
from textgrad_agents.validation import short
from training.config import RUN_NAME, is_run_name
from training.export import load_episode, load_episode_dict
from training.run_places import numbered


class EpisodeLoader:
    """Reads what runs left under `experiments_dir`. Iterations and episodes come in the order of their numbers.

    Args:
        experiments_dir: folder of all run folders.
    """

    def __init__(self, experiments_dir: str | Path) -> None:
        self.experiments_dir = Path(experiments_dir)

    def load_episodes(self, exp_name: str, iteration: int, num_episodes: int | None = None) -> list[dict[str, Any]]:
        """The complete episodes of an iteration, as dicts with every text in its place.

        Args:
            exp_name: the experiment.
            iteration: its iteration.
            num_episodes: at most so many; None for all.

        Raises:
            FileFormatError: there is no such iteration, or an episode is damaged.
        """
        return [load_episode_dict(folder) for folder in self._episodes(exp_name, iteration)[:num_episodes]]

    def load_records(self, exp_name: str, iteration: int, num_episodes: int | None = None) -> list[Episode]:
        """The same episodes as `Episode` values.

        Raises:
            FileFormatError: there is no such iteration, or an episode is damaged.
        """
        return [load_episode(folder) for folder in self._episodes(exp_name, iteration)[:num_episodes]]

    def validate_episodes(self, episodes: Sequence[Mapping[str, Any]]) -> bool:
        """True if every episode has an id, a total reward and at least one transition."""
        return all(
            {"episode_id", "total_reward"} <= episode.keys()
            and isinstance(episode.get("transitions"), list)
            and len(episode["transitions"]) > 0
            for episode in episodes
        )

    def get_episode_stats(self, episodes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Rewards and lengths of some episodes.

        Raises:
            ConfigError: there are none.
        """
        if not episodes:
            raise ConfigError("get_episode_stats needs at least one episode, got none")
        rewards = [episode["total_reward"] for episode in episodes]
        lengths = [len(episode["transitions"]) for episode in episodes]
        return {
            "num_episodes": len(episodes),
            "avg_reward": sum(rewards) / len(rewards),
            "min_reward": min(rewards),
            "max_reward": max(rewards),
            "avg_length": sum(lengths) / len(lengths),
            "min_length": min(lengths),
            "max_length": max(lengths),
            "total_transitions": sum(lengths),
        }

    def load_latest_iteration(self, exp_name: str) -> tuple[int, list[dict[str, Any]]]:
        """The last iteration that has complete episodes: its number and the episodes.

        Raises:
            FileFormatError: there is none, or an episode is damaged.
        """
        for iteration, _ in reversed(numbered(self._experiment(exp_name), "iteration")):
            if self.count_episodes(exp_name, iteration):
                return iteration, self.load_episodes(exp_name, iteration)
        raise FileFormatError(f"experiment {exp_name} in {self.experiments_dir} has no complete episode yet")

    def count_episodes(self, exp_name: str, iteration: int) -> int:
        """Number of complete episodes of an iteration; 0 if there is no such iteration or experiment."""
        return len(_complete(self._folder(exp_name) / f"iteration_{iteration}"))

    def list_experiments(self) -> list[str]:
        """Names of the experiments, sorted."""
        if not self.experiments_dir.is_dir():
            return []
        return sorted(
            entry.name for entry in self.experiments_dir.iterdir() if entry.is_dir() and is_run_name(entry.name)
        )

    def get_experiment_info(self, exp_name: str) -> dict[str, Any]:
        """Name of an experiment and how many complete episodes each of its iterations has.

        Raises:
            FileFormatError: there is no such experiment.
        """
        counts = {
            folder.name: len(_complete(folder)) for _, folder in numbered(self._experiment(exp_name), "iteration")
        }
        return {
            "experiment_name": exp_name,
            "num_iterations": len(counts),
            "total_episodes": sum(counts.values()),
            "episodes_per_iteration": counts,
        }

    def _folder(self, exp_name: str) -> Path:
        if not is_run_name(exp_name):
            raise ConfigError(f"exp_name must be {RUN_NAME}, not {short(exp_name)}")
        return self.experiments_dir / exp_name

    def _experiment(self, exp_name: str) -> Path:
        folder = self._folder(exp_name)
        if not folder.is_dir():
            known = ", ".join(self.list_experiments()) or "none"
            raise FileFormatError(f"there is no experiment {exp_name} in {self.experiments_dir}; there are: {known}")
        return folder

    def _episodes(self, exp_name: str, iteration: int) -> list[Path]:
        folder = self._experiment(exp_name) / f"iteration_{iteration}"
        if not folder.is_dir():
            known = ", ".join(self.get_experiment_info(exp_name)["episodes_per_iteration"]) or "none"
            raise FileFormatError(f"experiment {exp_name} has no iteration_{iteration}; there are: {known}")
        return _complete(folder)


def _complete(iteration: Path) -> list[Path]:
    """Folders of the episodes that are written to the end."""
    return [folder for _, folder in numbered(iteration, "episode") if (folder / "episode.json").is_file()]
