"""Knights, archers, zombies in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from envs.multi_agent.describer import Describer
from envs.multi_agent.seats import Wording
from textgrad_agents.situations import format_situation

WIDTH, HEIGHT = 1280, 720  # px of the field
AHEAD = 10.0  # degrees to either side that count as straight ahead; a turn is 10
CLOSE = 110.0  # px

_ACTIONS = {
    "forward": "walk 25 px ahead",
    "backward": "walk 25 px back",
    "turn_left": "turn 10 degrees to the left",
    "turn_right": "turn 10 degrees to the right",
    "attack": "knights swing the mace, archers shoot an arrow ahead",
    "wait": "do nothing",
}


class KnightsArchersZombies(Describer):
    """Zombies walk down the field; knights and archers stop them."""

    picture_options: ClassVar[Mapping[str, Any]] = {"obs_method": "image"}

    def rules(self) -> str:
        """The rules of the game."""
        return (
            f"Zombies walk from the top of a field of {WIDTH} × {HEIGHT} px down to its bottom, swaying. Knights and"
            " archers start at the bottom; each walks and turns on its own. A knight that attacks swings its mace in an"
            " arc before it for some cycles, in which it can do nothing else; an archer that attacks shoots an arrow"
            " straight ahead and has to wait a few cycles before the next. A zombie that is hit is gone, and whoever"
            " hit it earns 1. A knight or archer that a zombie touches is out. The game ends when all of them are out"
            f" or a zombie reaches the bottom. Straight ahead means within {AHEAD:g} degrees, close within {CLOSE:g}"
            " px."
        )

    def wording(self, seat: str) -> Wording:
        """Walk, turn, attack, wait."""
        return Wording(list(_ACTIONS), list(_ACTIONS.values()), "wait")

    def observe(self, seat: str) -> str:
        """What a knight or archer sees: itself and the zombies, from where it stands and looks."""
        me, zombies = self._view(seat)
        lines = [f"I am {seat}. I stand at {me[0]:.0f} px from the left, {me[1]:.0f} px from the top."]
        seen = sorted((math.hypot(x, y), _turn(me[2], me[3], x, y)) for x, y in zombies)
        lines += [f"A zombie {distance:.0f} px away, {_side(turn)}." for distance, turn in seen[:3]]
        if not seen:
            return "\n".join([*lines, format_situation(("I see no zombie",))])
        distance, turn = seen[0]
        reach = "close" if distance <= CLOSE else "far"
        situation = format_situation((f"the nearest zombie is {_where(turn)}", f"the nearest zombie is {reach}"))
        return "\n".join([*lines, situation])

    def whole(self) -> str:
        """Where everybody is."""
        facts = self.facts()
        players = [f"{seat} at {x:.0f}, {y:.0f}" for seat, (x, y) in facts["players"].items()]
        zombies = ", ".join(f"{x:.0f}, {y:.0f}" for x, y in facts["zombies"]) or "none"
        return f"Px from the left and from the top: {'; '.join(players) or 'nobody is left'}. Zombies: {zombies}."

    def facts(self) -> dict[str, Any]:
        """Where everybody is, in px from the left and from the top."""
        raw, living = self.game.raw, self.game.living
        players = {seat: list(raw.agent_map[seat].rect.center) for seat in living}
        return {"players": players, "zombies": [list(zombie.rect.center) for zombie in raw.zombie_list]}

    def _view(self, seat: str) -> tuple[NDArray[Any], Sequence[tuple[float, float]]]:
        """Own place and heading, and where each zombie is from here, in px (down is positive)."""
        raw, seen = self.game.raw, np.asarray(self.game.observation(seat))
        zombies = seen[seen[:, 0] == 1] if raw.use_typemasks else seen[-raw.max_zombies :]
        me = seen[0, -4:] * (WIDTH, HEIGHT, 1, 1)
        return me, [(x * WIDTH, y * HEIGHT) for distance, x, y, *_ in zombies[:, -5:].tolist() if distance > 0]


def _turn(look_x: float, look_y: float, x: float, y: float) -> float:
    """By how many degrees to turn to the right, from looking along `look` to a place, -180 to 180."""
    return math.degrees(math.atan2(look_x * y - look_y * x, look_x * x + look_y * y))


def _where(turn: float) -> str:
    if abs(turn) <= AHEAD:
        return "straight ahead"
    if abs(turn) > 135:
        return "behind me"
    return "on my right" if turn > 0 else "on my left"


def _side(turn: float) -> str:
    return f"{abs(turn):.0f} degrees to my {'right' if turn > 0 else 'left'}"
