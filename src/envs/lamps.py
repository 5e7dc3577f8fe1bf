"""Lamps: a tiny environment to try the machinery on, in milliseconds and with nothing to install.

Each agent stands between two lamps of which one is lit. What the right answer to a lamp is, agents have to find out.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from envs.actions import DiscreteActions
from envs.base import Action, MultiAgentEnvironment, StepOutcome
from envs.parameters import check_above_zero, check_whole
from textgrad_agents.errors import EnvError
from textgrad_agents.situations import format_situation

_POINTS = {"left": {0: 1, 1: 0, 2: -1}, "right": {0: -1, 1: 0, 2: 1}}


class LampsEnvironment(MultiAgentEnvironment):
    """Agents answer lamps; all share the mean of what their answers are worth.

    An agent that presses the button on the side of its lit lamp earns 1, on the other side -1, none 0. The team has won
    when it has earned `goal`; every cycle costs 0.1, so a team that answers well has a higher return.

    Args:
        num_agents: how many agents (1 to 100).
        max_cycles: length of an episode that is not won.
        goal: what the team has to earn; None to play all cycles.

    Raises:
        ConfigError: a parameter is out of its range.
    """

    name = "lamps"

    def __init__(self, num_agents: int = 2, max_cycles: int = 32, goal: float | None = None) -> None:
        check_whole("num_agents", num_agents, 1, 100)
        check_whole("max_cycles", max_cycles, 1, 1_000_000)
        if goal is not None:
            check_above_zero("goal", goal, "or None to play all cycles")
        self.agents = tuple(f"keeper_{i}" for i in range(num_agents))
        self.max_cycles = max_cycles
        self.goal = goal
        self.action_space = DiscreteActions(
            {"press_left": 0, "wait": 1, "press_right": 2},
            {
                "press_left": "press the button on your left",
                "wait": "press nothing",
                "press_right": "press the button on your right",
            },
            neutral="wait",
        )
        self._lit: dict[str, str] = {}
        self._random = random.Random(0)
        self._cycle = 0
        self._earned = 0.0
        self._running = False

    @property
    def rules(self) -> str:
        """The rules of the game in words."""
        end = "" if self.goal is None else f" It ends earlier when the team has earned {self.goal:g} points."
        return (
            f"{len(self.agents)} keepers each stand between two lamps. In every cycle one of a keeper's lamps is lit,"
            " and the keeper may press the button on its left, the button on its right, or nothing. All keepers share"
            " one reward: the mean of what their presses were worth (each from -1 to 1), less 0.1 for the time. The"
            f" episode ends after {self.max_cycles} cycles.{end}"
        )

    def reset(self, seed: int) -> None:
        """Start an episode."""
        self._random = random.Random(seed)
        self._cycle = 0
        self._earned = 0.0
        self._running = True
        self._light()

    def observe(self, agent: str) -> str:
        """What `agent` sees: its own lamps."""
        self._require_started()
        if agent not in self._lit:
            raise EnvError(f"{agent!r} is not an agent of these lamps; they are {', '.join(self.agents)}")
        return f"I am {agent}.\n{format_situation((f'the lamp on my {self._lit[agent]} is lit',))}"

    def describe_state(self) -> str:
        """All lamps in words, for critics only."""
        self._require_started()
        lamps = ", ".join(f"{agent} {side}" for agent, side in self._lit.items())
        return f"Lit lamps: {lamps}. Earned so far: {self._earned:.2f}."

    def global_state(self) -> dict[str, Any]:
        """All lamps as data, for critics and records only."""
        self._require_started()
        return {"cycle": self._cycle, "lit": dict(self._lit), "earned": round(self._earned, 6)}

    def step(self, actions: Mapping[str, Action]) -> StepOutcome:
        """Let all keepers answer once."""
        if not self._running:
            raise EnvError("step: no episode is running; call reset(seed) first")
        if actions.keys() != self._lit.keys() or not all(action in (0, 1, 2) for action in actions.values()):
            raise EnvError(f"step: every agent acts in every cycle with 0, 1 or 2; actions were {dict(actions)!r}")
        worth = sum(_POINTS[self._lit[agent]][int(action)] for agent, action in actions.items()) / len(self.agents)
        self._cycle += 1
        self._earned += worth
        done = self.goal is not None and self._earned >= self.goal
        truncated = self._cycle >= self.max_cycles
        self._running = not (done or truncated)
        self._light()
        return StepOutcome(dict.fromkeys(self.agents, worth - 0.1), done, truncated)

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: `envs.make(**parameters)` builds the same environment."""
        return {
            "name": self.name,
            "num_agents": len(self.agents),
            "max_cycles": self.max_cycles,
            "goal": self.goal,
        }

    def _require_started(self) -> None:
        if not self._lit:
            raise EnvError("the episode has not begun; call reset(seed) first")

    def _light(self) -> None:
        self._lit = {agent: self._random.choice(("left", "right")) for agent in self.agents}
