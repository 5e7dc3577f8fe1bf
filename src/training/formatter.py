"""`TrajectoryFormatter`: an episode as the text that a person or a critic reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textgrad_agents.trajectory import Episode
from training.export import episode_to_dict

EVERY = 10


class TrajectoryFormatter:
    """Writes every tenth cycle of an episode: the global state, the actions, the reward."""

    @staticmethod
    def format_trajectory(episode: Episode | Mapping[str, Any]) -> str:
        """The text of an episode, given as a record or as the dict that `EpisodeLoader` gives."""
        data = episode_to_dict(episode) if isinstance(episode, Episode) else episode
        blocks = [f"=== Episode: {data['num_pistons']} agents, total reward {data['total_reward']:.2f} ==="]
        blocks += [_block(one) for one in data["transitions"] if one["timestep"] % EVERY == 0]
        return "\n\n".join([*blocks, f"=== End: total reward {data['total_reward']:.2f} ==="])


def _block(transition: Mapping[str, Any]) -> str:
    actions = "\n".join(f"  {agent}: {entry['action_name']}" for agent, entry in transition["agents"].items())
    return (
        f"--- Timestep {transition['timestep']} ---\n[Global state]\n{transition['global_state']['text']}\n"
        f"[Actions]\n{actions}\n"
        f"[Reward] instant {transition['instant_reward']:.4f}, cumulative {transition['cumulative_reward']:.4f}"
    )
