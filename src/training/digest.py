"""The digest: what critics read of a recorded episode.

Two parts. The narrative tells every tenth cycle as seen from above. The table counts all cycles: for each situation
that the observations name and each action taken in it, how often, and what followed. Which action is right is for the
reader to conclude.

What followed is counted in the team's rewards, cycle by cycle, where all agents earn alike. Where each earns its own,
an agent's decisions are counted in what it earned itself, decision by decision. A gain says where what followed stands
among all of the episode, not how large it was: a few large rewards would drown what all the others tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textgrad_agents.engines.rulebook.evidence import (
    AgentRow,
    Clauses,
    Gain,
    RoleTable,
    SituationRow,
    split_clauses,
    write_agent,
    write_table,
)
from textgrad_agents.trajectory import Episode, Step

EVERY = 10
WINDOW = 4
ROUNDING = 1e-12  # differences that are no more than this share of the rewards are none

_TABLE_LEGEND = """### What followed which action
Counted over all cycles. The number after an action is its gain: where what followed stands among all cycles of the
episode, in points above the middle (+10: more followed than after 60 % of the cycles; -10: than after 40 %). What
followed is the mean reward per cycle over {window}, minus what the reward just before let expect (the episode's mean
was {mean:+.4g}). In brackets the number of such decisions and the spread (standard deviation) of their gains. Decisions
of agents of the same role are counted together."""

_OWN_LEGEND = """### What followed which action
Counted over all decisions. The number after an action is its gain: where what followed stands among all decisions of
the same agent, in points above the middle (+10: more followed than after 60 % of them; -10: than after 40 %). What
followed is what the agent itself earned per decision over {window}, minus what its reward just before let expect. In
brackets the number of such decisions and the spread (standard deviation) of their gains. Decisions of agents of the
same role are counted together."""

_AGENT_LEGEND = """### What each agent's choices were worth
By the table of its role: the mean gain of the actions that it chose, compared with choosing blindly among the actions
tried in the same situations; in brackets what always choosing the highest or the lowest gain would have been worth."""


@dataclass(frozen=True, slots=True)
class EpisodeTable:
    """The counted part of a digest.

    Attributes:
        window: number of cycles (or own decisions) over which rewards are counted, the decision's own included.
        mean_reward: mean reward per cycle of the episode.
        alike: True if all agents earned alike, so that gains are the team's.
        roles: one table per role.
        agents: one row per agent.
    """

    window: int
    mean_reward: float
    alike: bool
    roles: tuple[RoleTable, ...]
    agents: tuple[AgentRow, ...]


def digest(episode: Episode, *, roles: Mapping[str, str], every: int = EVERY, window: int = WINDOW) -> str:
    """The text that critics read of an episode.

    Args:
        episode: the record, with its cycles.
        roles: role of each agent; an agent without one plays a role of its own name.
        every: the narrative tells every so many cycles.
        window: number of cycles (or own decisions) over which rewards are counted after a decision, its own included.
    """
    table = tabulate(episode, roles=roles, window=window)
    after = f" and the {window - 1} after it" if window > 1 else ""
    if table.alike:
        legend = _TABLE_LEGEND.format(window=f"each decision's own cycle{after}", mean=table.mean_reward)
    else:
        legend = _OWN_LEGEND.format(window=f"each decision{after}")
    return "\n\n".join(
        [
            f"## Digest\n{narrative(episode, every)}",
            "\n".join([legend, *map(write_table, table.roles)]),
            "\n".join([_AGENT_LEGEND, *map(write_agent, table.agents)]),
        ]
    )


def tabulate(episode: Episode, *, roles: Mapping[str, str], window: int = WINDOW) -> EpisodeTable:
    """The counted part of the digest as values; arguments as for `digest`."""
    rewards = np.array([cycle.reward for cycle in episode.cycles], dtype=np.float64)
    alike = _earn_alike(episode)
    shared = _gains(rewards, window)
    by_role: dict[str, list[str]] = {}
    for agent in episode.agents:
        by_role.setdefault(roles.get(agent, agent), []).append(agent)
    decided = {one.agent: _decided(one.steps, shared if alike else None, window) for one in episode.trajectories}
    tables: list[RoleTable] = []
    rows: dict[str, AgentRow] = {}
    for role, agents in by_role.items():
        counted = _Counted([pair for agent in agents for pair in decided[agent]])
        tables.append(RoleTable(role, tuple(agents), counted.rows()))
        rows.update({agent: counted.agent_row(agent) for agent in agents})
    mean = float(rewards.mean()) if len(rewards) else 0.0
    return EpisodeTable(window, mean, alike, tuple(tables), tuple(rows[agent] for agent in episode.agents))


def _earn_alike(episode: Episode) -> bool:
    """True if all agents earned the same in every cycle, so that the team's rewards are each agent's own."""
    earned = {tuple((step.timestep, step.reward) for step in one.steps) for one in episode.trajectories}
    return len(earned) <= 1


def _decided(steps: Sequence[Step], shared: NDArray[np.float64] | None, window: int) -> list[tuple[Step, float]]:
    """An agent's decisions and their gains, by the team's gains of the cycles or by what the agent earned itself.

    Where only some steps tell what was observed, the others were none: the last action went on.
    """
    if shared is None:
        gains = _gains(np.array([step.reward or 0.0 for step in steps], dtype=np.float64), window).tolist()
    else:
        steps = [step for step in steps if step.timestep < len(shared)]
        gains = shared[[step.timestep for step in steps]].tolist()
    told = any(step.observation for step in steps)
    return [(step, gain) for step, gain in zip(steps, gains, strict=True) if step.observation or not told]


class _Counted:
    """Decisions of one role, counted by situation and action.

    Args:
        decided: the decisions and what followed each.
    """

    def __init__(self, decided: Sequence[tuple[Step, float]]) -> None:
        steps = [step for step, _ in decided]
        situations: dict[str, int] = {}
        clauses: dict[Clauses, int] = {}
        actions: dict[str, int] = {}
        rows_D, actions_D = np.empty(len(steps), np.intp), np.empty(len(steps), np.intp)
        for i, step in enumerate(steps):
            situation = step.situation or ""
            row = situations.get(situation)
            if row is None:
                row = situations[situation] = clauses.setdefault(split_clauses(situation), len(clauses))
            rows_D[i] = row
            actions_D[i] = actions.setdefault(step.action_name, len(actions))
        self._clauses = tuple(clauses)
        self._actions = tuple(actions)
        self._agents = np.array([step.agent for step in steps])
        self._rows_D, self._actions_D = rows_D, actions_D
        gains_D = np.array([gain for _, gain in decided], dtype=np.float64)
        cells_D = rows_D * len(actions) + actions_D
        shape = (len(clauses), len(actions))
        self._count_SA = np.bincount(cells_D, minlength=shape[0] * shape[1]).reshape(shape)
        some_SA = np.maximum(self._count_SA, 1)
        self._mean_SA = np.bincount(cells_D, gains_D, shape[0] * shape[1]).reshape(shape) / some_SA
        squares_D = (gains_D - self._mean_SA.ravel()[cells_D]) ** 2
        self._spread_SA = np.sqrt(np.bincount(cells_D, squares_D, shape[0] * shape[1]).reshape(shape) / some_SA)

    def rows(self) -> tuple[SituationRow, ...]:
        """The table, the most frequent situation first, in each the action with the highest gain first."""
        order: list[int] = np.argsort(-self._count_SA.sum(axis=1), kind="stable").tolist()
        return tuple(SituationRow(self._clauses[s], self._row(s)) for s in order)

    def agent_row(self, agent: str) -> AgentRow:
        """What an agent's choices were worth by the table."""
        mine = self._agents == agent
        rows_D, decisions = self._rows_D[mine], int(mine.sum())
        if not decisions:
            return AgentRow(agent, 0, 0.0, 0.0, 0.0)
        tried_SA = self._count_SA > 0
        blind_S = np.where(tried_SA, self._mean_SA, 0.0).sum(axis=1) / tried_SA.sum(axis=1)
        best_S = np.where(tried_SA, self._mean_SA, -np.inf).max(axis=1)
        worst_S = np.where(tried_SA, self._mean_SA, np.inf).min(axis=1)
        chosen_D = self._mean_SA[rows_D, self._actions_D[mine]]
        worth = [float((value - blind_S[rows_D]).mean()) for value in (chosen_D, best_S[rows_D], worst_S[rows_D])]
        return AgentRow(agent, decisions, *worth)

    def _row(self, s: int) -> dict[str, Gain]:
        tried = [a for a in range(len(self._actions)) if self._count_SA[s, a]]
        tried.sort(key=lambda a: (-self._mean_SA[s, a], self._actions[a]))
        return {
            self._actions[a]: Gain(int(self._count_SA[s, a]), float(self._mean_SA[s, a]), float(self._spread_SA[s, a]))
            for a in tried
        }


def _gains(rewards: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """`(T,)`: where what followed each cycle stands among all, from -50 to 50.

    What followed is the mean reward of the `window` cycles from each on, minus what the reward just before let expect.
    What is to be expected is the straight line of least squares through all cycles. Where rewards show how things go
    (a ball that rolls on, a distance that is left), what was so before would drown what the decision changed; where
    they do not, the line is flat and this is minus the mean. Rewards that never change leave no gain to anything, and
    what differs in their sums is rounding.
    """
    if len(rewards) < 2 or np.ptp(rewards) <= ROUNDING * np.abs(rewards).max():
        return np.zeros_like(rewards)
    following = _following(rewards, window)
    before = np.concatenate([[rewards[:-1].mean()], rewards[:-1]])
    before -= before.mean()
    least = len(rewards) * (ROUNDING * np.abs(rewards).max()) ** 2
    slope = before @ following / square if (square := before @ before) > least else 0.0
    unexpected = following - following.mean() - slope * before
    return _standing(unexpected / np.abs(rewards).max())


def _standing(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(T,)`: percent of the values below each, plus half of those equal to it up to rounding, minus 50."""
    values = np.round(values, 9)
    ordered = np.sort(values)
    return 50.0 * (ordered.searchsorted(values, "left") + ordered.searchsorted(values, "right")) / len(values) - 50.0


def _following(rewards: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """`(T,)`: mean reward of the `window` cycles from each on (fewer at the end)."""
    sums = np.concatenate([[0.0], np.cumsum(rewards)])
    starts = np.arange(len(rewards))
    ends = np.minimum(starts + window, len(rewards))
    return (sums[ends] - sums[starts]) / (ends - starts)


def told_cycles(episode: Episode, every: int = EVERY) -> tuple[int, ...]:
    """The cycles that the narrative tells."""
    return tuple(cycle.timestep for cycle in episode.cycles[::every])


def narrative(episode: Episode, every: int = EVERY) -> str:
    """The episode told as seen from above: a head, every so many cycles, an end.

    What each agent earned itself is told where agents do not all earn alike.
    """
    cycles, agents = episode.cycles, episode.agents
    alike = _earn_alike(episode)
    told = {*told_cycles(episode, every)}
    actions: dict[int, dict[str, list[str]]] = {timestep: {} for timestep in told}
    earned: dict[int, list[str]] = {timestep: [] for timestep in told}
    for step in episode.steps():
        if step.timestep in told:
            actions[step.timestep].setdefault(step.action_name, []).append(step.agent)
            if not alike:
                earned[step.timestep].append(f"{step.agent} {step.reward or 0.0:+.4g}")
    lines = [
        f"Agents ({len(agents)}): {', '.join(agents)}",
        f"Cycles: {len(cycles)}, of which one in {every} is told. Total reward: {episode.total_reward:+.2f}",
    ]
    if not alike:
        totals = ", ".join(f"{one.agent} {one.total_reward:+.2f}" for one in episode.trajectories)
        lines.append(f"Each agent earned its own; the total reward is the mean over agents. In all: {totals}")
    total = 0.0
    for cycle in cycles:
        total += cycle.reward
        if cycle.timestep in told:
            chosen = "; ".join(f"{name}: {', '.join(who)}" for name, who in actions[cycle.timestep].items())
            lines.append(
                f"\nCycle {cycle.timestep}\n{cycle.text}\nActions: {chosen}\n"
                f"Reward: {cycle.reward:+.4f} (in all so far {total:+.4f})"
                + (f"\nEarned by these decisions: {', '.join(earned[cycle.timestep])}" if not alike else "")
            )
    end = "was cut at the most cycles allowed" if episode.truncated else "ended by the rules"
    lines.append(f"\nThe episode {end} after {len(cycles)} cycles. Total reward: {episode.total_reward:+.2f}")
    return "\n".join(lines)
