"""What a piston is told in eight characters, for small models that are trained from numbers rather than told in words.

    +3-2415:
    ^^        how far the middle of the ball is from the middle of the piston, in half piston widths; + to the right
      ^^      what the ball moved in the last cycle, in steps of 3 px; + to the right
        ^^^   heights of the left neighbour, of the piston itself and of the right neighbour, in ninths of their travel

Amounts are cut to whole steps and end at 9; ``-0`` is less than a step to the left. A ball out of sight is ``????``, a
wall in a neighbour's place ``|``. It holds what `LocalObserver` tells, but for the ball's height.
"""

from __future__ import annotations

from collections.abc import Sequence

from envs.pistonball.observations import STILL_PX, BallView

LENGTH = 8
UNSEEN = "????"
WALL = "|"

MEANING = (
    "You are told eight characters, such as +3-2415: for a ball 3 half widths to your right that moved 2 steps of"
    f" {STILL_PX:g} px to the left in the last cycle, and for heights, in ninths of the travel, of 4 (your left"
    f" neighbour), 1 (you) and 5 (your right neighbour). Amounts are cut to whole steps and end at 9; {UNSEEN} is a"
    f" ball out of sight, {WALL} a wall."
)
"""What it says, in words."""

_MOST = 9


class CompactObserver:
    """Writes the local observations of all pistons of one table.

    Args:
        centres: x of the middle of each piston.
        piston_width: width of a piston in px.
        travel: height of a raised piston in px.
        field_of_view: how far a piston sees to each side, in piston widths; None for everything.
    """

    def __init__(
        self, centres: Sequence[float], piston_width: float, travel: float, field_of_view: float | None
    ) -> None:
        self._centres = tuple(centres)
        self._half_width = piston_width / 2
        self._height_step = travel / _MOST
        self._sight = float("inf") if field_of_view is None else field_of_view * piston_width

    def text(self, i: int, heights: Sequence[float], ball: BallView) -> str:
        """What piston `i` is told."""
        offset = ball.x - self._centres[i]
        seen = UNSEEN
        if abs(offset) <= self._sight:
            seen = f"{_signed(offset, self._half_width)}{_signed(ball.moved, STILL_PX)}"
        left = self._height(heights[i - 1]) if i else WALL
        right = self._height(heights[i + 1]) if i + 1 < len(heights) else WALL
        return f"{seen}{left}{self._height(heights[i])}{right}:"

    def _height(self, height: float) -> str:
        return _digit(height, self._height_step)


def _signed(amount: float, step: float) -> str:
    return f"{'-' if amount < 0 else '+'}{_digit(abs(amount), step)}"


def _digit(amount: float, step: float) -> str:
    return str(min(_MOST, int(amount / step)))
