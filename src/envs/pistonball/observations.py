"""What pistons and critics are told, in words.

A piston is told what it could see from where it stands: its own height, its neighbours' heights, and the ball while the
ball is within its field of view. Everything else is in the text for critics. No text says which action is right.

Heights are in px above the lowest position of a piston; the ball's height is that of its underside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textgrad_agents.situations import format_situation

# The whole vocabulary of situations. Each clause must read well after "When ".
OUT_OF_SIGHT = "the ball is out of sight"
ABOVE = "the ball is above me"
CLOSE_LEFT = "the ball is close on my left"
CLOSE_RIGHT = "the ball is close on my right"
FAR_LEFT = "the ball is far on my left"
FAR_RIGHT = "the ball is far on my right"
MOVING_LEFT = "the ball is moving left"
MOVING_RIGHT = "the ball is moving right"
STILL = "the ball is still"

ABOVE_WIDTHS = 0.5  # "above me": within half a piston width, so above one piston only
CLOSE_WIDTHS = 2.0
STILL_PX = 3.0  # a ball that random play has left to itself wobbles by less than this in 3 of 4 cycles

_PLACES = (ABOVE, CLOSE_LEFT, CLOSE_RIGHT, FAR_LEFT, FAR_RIGHT)
_MOTIONS = (STILL, MOVING_LEFT, MOVING_RIGHT)
_SITUATIONS = {place: tuple(format_situation((place, motion)) for motion in _MOTIONS) for place in _PLACES}


@dataclass(frozen=True, slots=True)
class BallView:
    """The ball as of now.

    Attributes:
        x: middle of the ball.
        height: height of its underside.
        moved: px moved to the right in the last cycle (negative: to the left).
    """

    x: float
    height: float
    moved: float


def _travel(moved: float) -> str:
    if abs(moved) < 0.5:
        return "it did not move"
    return f"it moved {abs(moved):.0f} px to the {'left' if moved < 0 else 'right'}"


def _motion_index(moved: float) -> int:
    """0 still, 1 moving left, 2 moving right."""
    return 0 if -STILL_PX <= moved <= STILL_PX else 1 if moved < 0 else 2


class LocalObserver:
    """Writes the local observations of all pistons of one table.

    Args:
        agents: names of the pistons, from left to right.
        centres: x of the middle of each piston.
        piston_width: width of a piston in px.
        field_of_view: how far a piston sees to each side, in piston widths; None for everything.
    """

    def __init__(
        self, agents: Sequence[str], centres: Sequence[float], piston_width: float, field_of_view: float | None
    ) -> None:
        self._centres = tuple(centres)
        self._above = ABOVE_WIDTHS * piston_width
        self._close = CLOSE_WIDTHS * piston_width
        self._sight = float("inf") if field_of_view is None else field_of_view * piston_width
        self._heads = tuple(
            f"I am {agent}, number {i + 1} of {len(agents)} from the left.\n" for i, agent in enumerate(agents)
        )
        self._unseen = (
            f"The ball is more than {self._sight:g} px away, out of my sight.\n{format_situation((OUT_OF_SIGHT,))}"
        )

    def text(self, i: int, heights: Sequence[float], ball: BallView) -> str:
        """What piston `i` is told."""
        left = f"{heights[i - 1]:.0f}" if i else "none (wall)"
        right = f"{heights[i + 1]:.0f}" if i + 1 < len(heights) else "none (wall)"
        own = f"{self._heads[i]}My height: {heights[i]:.0f} px. Left neighbour: {left}. Right neighbour: {right}.\n"
        offset = ball.x - self._centres[i]
        distance = abs(offset)
        if distance > self._sight:
            return own + self._unseen
        side = "left" if offset < 0 else "right"
        situation = _SITUATIONS[self._place(offset)][_motion_index(ball.moved)]
        return (
            f"{own}Ball: {distance:.0f} px to my {side}, its underside at height {ball.height:z.0f}; "
            f"{_travel(ball.moved)} in the last cycle.\n{situation}"
        )

    def _place(self, offset: float) -> str:
        if -self._above <= offset <= self._above:
            return ABOVE
        if offset < 0:
            return CLOSE_LEFT if -offset <= self._close else FAR_LEFT
        return CLOSE_RIGHT if offset <= self._close else FAR_RIGHT


def describe_table(
    agents: Sequence[str],
    centres: Sequence[float],
    heights: Sequence[float],
    ball: BallView,
    *,
    velocity: tuple[float, float],
    progress: float,
    piston_width: float,
) -> str:
    """The whole table in words, for critics only.

    Args:
        agents: names of the pistons, from left to right.
        centres: x of the middle of each piston.
        heights: height of each piston.
        ball: the ball.
        velocity: the ball's velocity in px/s (right and up are positive).
        progress: how much of the way to the left wall is done, in percent.
        piston_width: width of a piston in px.
    """
    below = min(range(len(centres)), key=lambda i: abs(centres[i] - ball.x))
    third = ("left", "middle", "right")[min(2, 3 * below // len(centres))]
    motion = (STILL, MOVING_LEFT, MOVING_RIGHT)[_motion_index(ball.moved)]
    near: list[str] = []
    rows: list[str] = []
    for agent, x, height in zip(agents, centres, heights, strict=True):
        row = f"{agent} {height:.0f}"
        if abs(x - ball.x) <= CLOSE_WIDTHS * piston_width:
            near.append(agent)
            side = "below" if abs(x - ball.x) <= ABOVE_WIDTHS * piston_width else "left" if x < ball.x else "right"
            row += " (below the ball)" if side == "below" else f" (near the ball, on its {side})"
        rows.append(row)
    return "\n".join(
        (
            f"Ball: x {ball.x:.0f} px, underside at height {ball.height:z.0f} px, above {agents[below]}, "
            f"in the {third} third of the table.",
            f"Motion: {motion}; {_travel(ball.moved)} in the last cycle; "
            f"velocity now {velocity[0]:+z.0f} px/s to the right, {velocity[1]:+z.0f} px/s upwards.",
            f"Progress to the left wall: {progress:.1f} %.",
            f"Pistons within {CLOSE_WIDTHS:g} widths of the ball: {', '.join(near) or 'none'}.",
            f"Heights from left to right: {', '.join(rows)}.",
        )
    )
