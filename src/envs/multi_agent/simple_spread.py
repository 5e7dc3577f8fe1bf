"""Simple spread (of the particle environments) in words: agents spread over landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from envs.multi_agent.describer import Describer
from envs.multi_agent.seats import Wording
from envs.multi_agent.values import plain
from textgrad_agents.situations import format_situation

ON_IT = 0.1  # a landmark this near is "here"
TOUCHING = 0.3  # middles of two agents that touch

_MOVES = ("stay", "move_left", "move_right", "move_down", "move_up")
_MEANINGS = ("push in no direction", "push to the left", "push to the right", "push down", "push up")


class SimpleSpread(Describer):
    """As many landmarks as agents on a plane; every landmark should have an agent near it."""

    games: ClassVar[int] = 10

    def rules(self) -> str:
        """The rules of the game."""
        n = len(self.game.seats)
        return (
            f"{n} agents and {n} landmarks are on a plane. In every cycle each agent pushes itself left, right, up or"
            " down, or does nothing; it keeps gliding for a while. In every cycle all agents lose the sum, over the"
            " landmarks, of the distance from the landmark to the agent nearest to it (by half), and each agent loses"
            f" a half for every agent that it touches (agents touch when less than {TOUCHING:g} apart). Landmarks can"
            f" be passed through. An agent is at a landmark within {ON_IT:g}."
        )

    def wording(self, seat: str) -> Wording | None:
        """The pushes; continuous actions keep their numbers."""
        return Wording(_MOVES, _MEANINGS, "stay") if hasattr(self.game.action_space(seat), "n") else None

    def observe(self, seat: str) -> str:
        """What an agent sees: where landmarks and other agents are from it, and how it moves."""
        velocity, landmarks, others = self._view(seat)
        lines = [f"I am {seat}. I move {_arrow(velocity)} per second."]
        lines += [f"Landmark {i}: {_arrow(one)}." for i, one in enumerate(landmarks)]
        lines += [f"Another agent: {_arrow(one)}." for one in others]
        return "\n".join([*lines, format_situation((_place(landmarks, others), _touch(others)))])

    def whole(self) -> str:
        """Where everything is."""
        lines = [f"{name} at {x:+.2f} to the right, {y:+.2f} up" for name, (x, y) in self.facts()["positions"].items()]
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """Position of every agent and landmark, right and up from the middle."""
        seats = self.game.living
        own = {seat: self.game.observation(seat)[2:4] for seat in seats}
        _, landmarks, _ = self._view(seats[0])
        marks = {f"landmark_{i}": own[seats[0]] + one for i, one in enumerate(landmarks)}
        return {"positions": {name: plain(place) for name, place in (own | marks).items()}}

    def _view(self, seat: str) -> tuple[NDArray[Any], Sequence[NDArray[Any]], Sequence[NDArray[Any]]]:
        """Own velocity, and where landmarks and other agents are from here."""
        seen = self.game.observation(seat)
        n = len(self.game.seats)
        pairs = seen.reshape(-1, 2)
        return pairs[0], pairs[2 : 2 + n], pairs[2 + n : 1 + 2 * n]


def _place(landmarks: Sequence[NDArray[Any]], others: Sequence[NDArray[Any]]) -> str:
    """Where the nearest landmark is that no other agent is nearer to."""
    mine = [one for one in landmarks if all(np.linalg.norm(one) <= np.linalg.norm(one - other) for other in others)]
    if not mine:
        return "other agents are nearer to every landmark"
    nearest = min(mine, key=lambda one: float(np.linalg.norm(one)))
    where = "here" if np.linalg.norm(nearest) <= ON_IT else _direction(nearest)
    return f"the nearest landmark that nobody is nearer to is {where}"


def _touch(others: Sequence[NDArray[Any]]) -> str:
    near = [one for one in others if np.linalg.norm(one) < TOUCHING]
    return f"I touch an agent {_direction(near[0])}" if near else "I touch nobody"


def _direction(vector: NDArray[Any]) -> str:
    x, y = vector
    if abs(x) >= abs(y):
        return "on the left" if x < 0 else "on the right"
    return "below" if y < 0 else "above"


def _arrow(vector: NDArray[Any]) -> str:
    x, y = vector
    return f"{abs(x):.2f} {'left' if x < 0 else 'right'}, {abs(y):.2f} {'down' if y < 0 else 'up'}"
