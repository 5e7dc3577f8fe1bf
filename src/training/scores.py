"""Scores of some episodes, with a 95 % interval of their mean."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from textgrad_agents.trajectory import Episode


def summarise(episodes: Sequence[Episode], gifs: Sequence[str]) -> dict[str, Any]:
    """Rewards and lengths of the episodes that did not fail, and a 95 % interval of the mean reward."""
    sound = [episode for episode in episodes if episode.error is None]
    rewards = [episode.total_reward for episode in sound]
    lengths = [episode.length for episode in sound]
    mean = statistics.fmean(rewards) if rewards else None
    spread = statistics.stdev(rewards) if len(rewards) > 1 else 0.0
    half = _T_95.get(len(rewards) - 1, 1.96) * spread / math.sqrt(len(rewards)) if len(rewards) > 1 else None
    return {
        "num_episodes": len(episodes),
        "failed_episodes": len(episodes) - len(sound),
        "first_error": next((episode.error for episode in episodes if episode.error is not None), None),
        "mean_reward": mean,
        "std_reward": spread,
        "interval_95": None if mean is None or half is None else [mean - half, mean + half],
        "min_reward": min(rewards, default=None),
        "max_reward": max(rewards, default=None),
        "mean_length": statistics.fmean(lengths) if lengths else None,
        "std_length": statistics.stdev(lengths) if len(lengths) > 1 else 0.0,
        "all_rewards": rewards,
        "all_lengths": lengths,
        "gif_paths": list(gifs),
        "episode_results": [
            {
                "episode_id": episode.episode_id,
                "seed": episode.seed,
                "reward": episode.total_reward,
                "length": episode.length,
                "error": episode.error,
            }
            for episode in episodes
        ],
    }


# Two-sided 95 % quantiles of Student's t distribution by degrees of freedom; 1.96 stands in beyond the table.
_T_95 = dict(
    enumerate(
        (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10,
         2.09, 2.09, 2.08, 2.07, 2.07, 2.06, 2.06, 2.06, 2.05, 2.05, 2.05, 2.04), start=1,
    )
)  # fmt: skip
