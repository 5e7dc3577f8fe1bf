"""`episode_log.txt`: an episode to read from top to bottom."""

from __future__ import annotations

from textgrad_agents.trajectory import Cycle, Episode, Step

_BAR = "=" * 80


def format_log(episode: Episode) -> str:
    """A block per cycle (what a critic may see, the actions, the reward), and a summary."""
    decisions: dict[int, list[Step]] = {}
    for step in episode.steps():
        decisions.setdefault(step.timestep, []).append(step)
    blocks = [f"Episode {episode.episode_id} of iteration {episode.iteration}, seed {episode.seed}"]
    total = 0.0
    for cycle in episode.cycles:
        total += cycle.reward
        blocks.append(_block(cycle, decisions.get(cycle.timestep, []), total))
    ending = "cut at its maximum length" if episode.truncated else "ended by the rules"
    summary = [_BAR, "Summary", f"Total reward: {episode.total_reward:.4f}", f"Steps: {episode.length}"]
    summary.append(f"The episode was {ending}." if episode.error is None else f"The episode failed: {episode.error}")
    return "\n\n".join([*blocks, "\n".join(summary)]) + "\n"


def _block(cycle: Cycle, decisions: list[Step], total: float) -> str:
    actions = ", ".join(f"{step.agent} {step.action_name or step.action}" for step in decisions)
    return (
        f"{_BAR}\nTimestep {cycle.timestep}\n{cycle.text}\nActions: {actions}\n"
        f"Reward: {cycle.reward:+.4f}, total {total:+.4f}"
    )
