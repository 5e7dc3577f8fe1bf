"""`TrajectoryFormatter`: an episode as a text to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgrad_agents.trajectory import Episode
from training.digest import narrative
from training.export import episode_from_dict


class TrajectoryFormatter:
    """Tells every tenth cycle of an episode: the global state, the actions, the reward."""

    @staticmethod
    def format_trajectory(episode: Episode | Mapping[str, Any]) -> str:
        """The text of an episode, given as a record or as a dict of `EpisodeLoader`.

        Raises:
            FileFormatError: the dict is no episode.
        """
        return narrative(episode if isinstance(episode, Episode) else episode_from_dict(episode))
