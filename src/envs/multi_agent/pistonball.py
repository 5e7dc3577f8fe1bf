"""Pistonball as pictures, the way PettingZoo draws it. Text alone is the business of `envs.pistonball`."""

from __future__ import annotations

from typing import Any

from envs.multi_agent.describer import Describer
from envs.multi_agent.seats import Wording


class PistonballPictures(Describer):
    """Pistons in a row under a ball; each sees itself and its neighbours from the side."""

    def rules(self) -> str:
        """The rules of the game."""
        return (
            f"{len(self.game.seats)} pistons stand in a row between two walls, and a ball drops onto them near the"
            " right wall. In every cycle each piston moves up, stays, or moves down. All pistons share one reward: in"
            " each cycle the share of the way to the left wall that the ball gained (in percent of the whole way;"
            " negative when it rolled back), less 0.1 for the time. The episode ends when the ball reaches the left"
            " wall."
        )

    def wording(self, seat: str) -> Wording:
        """The moves: three of them, or any number from -1 to 1."""
        moves = {"retract_down": "lower your piston", "stay": "hold your piston", "push_up": "raise your piston"}
        return Wording(list(moves), list(moves.values()), "stay")

    def whole(self) -> str:
        """Where the ball and the pistons are."""
        facts = self.facts()
        heights = ", ".join(f"{seat} {height}" for seat, height in facts["heights"].items())
        return (
            f"Ball at x {facts['ball'][0]} px, y {facts['ball'][1]} px (downwards). Heights of the pistons: {heights}."
        )

    def facts(self) -> dict[str, Any]:
        """Where the ball is on the screen, and the height of each piston above its lowest place."""
        table = self.game.raw
        lowest = table.screen_height - table.wall_width - table.piston_height + table.piston_head_height
        heights = [round(lowest - piston.position[1], 2) for piston in table.pistonList]
        return {
            "ball": [round(one, 2) for one in table.ball.position],
            "heights": dict(zip(self.game.seats, heights, strict=True)),
        }
