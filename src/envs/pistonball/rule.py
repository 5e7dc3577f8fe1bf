"""A hand-written rule for pistons: slope the floor under the ball to the left, and keep it smooth elsewhere.

    S_i = d_i k (x_i - x_ball) - (h_i - (h_{i-1} + h_{i+1}) / 2)
    d_i = 1 if |x_ball - x_i| <= 1.5 piston widths else 0

x is the middle of a piston or of the ball, h a height (up is positive); a missing neighbour counts as high as the
piston itself. The piston moves up if S_i > tau, down if S_i < -tau, and stays otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from envs.pistonball.environment import PistonballEnvironment

REACH_WIDTHS = 1.5
_CONTINUOUS_MOVE = 0.7


def rule_moves(
    centres: Sequence[float], heights: Sequence[float], ball_x: float, *, piston_width: float, k: float, tau: float
) -> list[int]:
    """For each piston -1 (down), 0 (stay) or 1 (up)."""
    reach = REACH_WIDTHS * piston_width
    last = len(heights) - 1
    moves: list[int] = []
    for i, height in enumerate(heights):
        left = heights[i - 1] if i else height
        right = heights[i + 1] if i < last else height
        offset = centres[i] - ball_x
        score = (left + right) / 2 - height
        if -reach <= offset <= reach:
            score += k * offset
        moves.append(1 if score > tau else -1 if score < -tau else 0)
    return moves


def rule_actions(environment: PistonballEnvironment, *, k: float = 1.0, tau: float = 4.0) -> dict[str, int | float]:
    """The action of every piston by the rule, as `step` takes them (continuous: 0.7, 0 and -0.7)."""
    moves = rule_moves(
        environment.centres,
        environment.heights,
        environment.ball_x,
        piston_width=environment.piston_width,
        k=k,
        tau=tau,
    )
    if environment.action_mode == "discrete":
        return {agent: move + 1 for agent, move in zip(environment.agents, moves, strict=True)}
    return {agent: move * _CONTINUOUS_MOVE for agent, move in zip(environment.agents, moves, strict=True)}
