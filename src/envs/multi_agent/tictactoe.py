"""Tic-tac-toe in words."""

from __future__ import annotations

from typing import Any, ClassVar

from envs.multi_agent.describer import Describer
from envs.multi_agent.seats import Wording
from textgrad_agents.situations import format_situation

# Squares by the number of the action that marks them: from top to bottom, column by column.
SQUARES = ("top_left", "left", "bottom_left", "top", "centre", "bottom", "top_right", "right", "bottom_right")
LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))


class TicTacToe(Describer):
    """A board of three by three squares; three in a line win."""

    competitive: ClassVar[bool] = True
    games: ClassVar[int] = 50

    def rules(self) -> str:
        """The rules of the game."""
        first, second = self.game.seats
        return (
            f"Tic-tac-toe: {first} and {second} in turn mark a free square of a board of three rows and three columns,"
            f" {first} first. Whoever first has three marks in a row, in a column or on a diagonal wins and earns 1,"
            " the other loses 1. When all squares are marked and nobody has won, both earn 0."
        )

    def wording(self, seat: str) -> Wording:
        """The actions are the squares."""
        return Wording(SQUARES, [f"mark the square {square.replace('_', ' ')}" for square in SQUARES])

    def observe(self, seat: str) -> str:
        """The board as the player to move sees it."""
        mine, theirs = self._marks(seat)
        clauses = (_line_of_two(mine, theirs, "my"), _line_of_two(theirs, mine, "their"), _centre(mine, theirs))
        return f"I am {seat}. My marks are X, theirs are O.\n{_board(mine, theirs)}\n{format_situation(clauses)}"

    def whole(self) -> str:
        """The board."""
        first, second = self.game.seats
        return f"{first} marks X, {second} marks O.\n{_board(*self._marks(first))}"

    def facts(self) -> dict[str, Any]:
        """The board: for each square whose mark it holds."""
        first, second = self.game.seats
        return {"board": [first if a else second if b else None for a, b in zip(*self._marks(first), strict=True)]}

    def _marks(self, seat: str) -> tuple[list[bool], list[bool]]:
        """For each square whether it holds a mark of the seat, and of the other."""
        planes = self.game.observation(seat).reshape(9, 2).astype(bool)
        return planes[:, 0].tolist(), planes[:, 1].tolist()


def _line_of_two(marks: list[bool], others: list[bool], whose: str) -> str:
    for line in LINES:
        free = [i for i in line if not marks[i] and not others[i]]
        if len(free) == 1 and sum(marks[i] for i in line) == 2:
            return f"two of {whose} marks are in line with the free square {SQUARES[free[0]]}"
    return f"no two of {whose} marks are in line with a free square"


def _centre(mine: list[bool], theirs: list[bool]) -> str:
    return f"the centre is {'mine' if mine[4] else 'theirs' if theirs[4] else 'free'}"


def _board(mine: list[bool], theirs: list[bool]) -> str:
    marks = ["X" if a else "O" if b else "." for a, b in zip(mine, theirs, strict=True)]
    return "\n".join(" ".join(marks[row::3]) for row in range(3))
