"""Connect Four in words."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from envs.multi_agent.describer import Describer
from envs.multi_agent.seats import Wording
from textgrad_agents.situations import format_situation

ROWS, COLUMNS, LENGTH = 6, 7, 4
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


class ConnectFour(Describer):
    """A standing grid of seven columns into which pieces fall; four in a line win."""

    competitive: ClassVar[bool] = True
    games: ClassVar[int] = 40

    def rules(self) -> str:
        """The rules of the game."""
        first, second = self.game.seats
        return (
            f"Connect Four: {first} and {second} in turn drop a piece into one of {COLUMNS} columns (column_0 on the"
            f" left to column_{COLUMNS - 1} on the right) of a standing grid of {ROWS} rows, {first} first. It falls on"
            f" the pieces below; a full column takes no more. Whoever first has {LENGTH} pieces in a line (across, up"
            " or diagonal) wins and earns 1, the other loses 1. When the grid is full and nobody has won, both earn 0."
        )

    def wording(self, seat: str) -> Wording:
        """The actions are the columns."""
        names = [f"column_{i}" for i in range(COLUMNS)]
        return Wording(names, [f"drop a piece into {name}" for name in names])

    def observe(self, seat: str) -> str:
        """The grid as the player to move sees it."""
        mine, theirs = self._pieces(seat)
        clauses = (_three(mine, theirs, "my"), _three(theirs, mine, "their"), _stack(mine, theirs))
        return f"I am {seat}. My pieces are X, theirs are O.\n{_grid(mine, theirs)}\n{format_situation(clauses)}"

    def whole(self) -> str:
        """The grid."""
        first, second = self.game.seats
        return f"{first} has X, {second} has O.\n{_grid(*self._pieces(first))}"

    def facts(self) -> dict[str, Any]:
        """The grid as rows of texts, from the top."""
        return {"grid": _grid(*self._pieces(self.game.seats[0])).splitlines()[:ROWS]}

    def _pieces(self, seat: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Where the seat's pieces are and where the other's, each `(6, 7)` from the top."""
        planes = self.game.observation(seat).astype(bool)
        return planes[:, :, 0], planes[:, :, 1]


def _landing(taken: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The places where a piece can fall now, from the left."""
    return [(ROWS - 1 - int(taken[:, c].sum()), c) for c in range(COLUMNS) if not taken[0, c]]


def _three(pieces: NDArray[np.bool_], others: NDArray[np.bool_], whose: str) -> str:
    for row, column in _landing(pieces | others):
        if any(_run(pieces, row, column, *way) >= LENGTH - 1 for way in _DIRECTIONS):
            return f"three of {whose} pieces are in line with the next place in column_{column}"
    return f"no three of {whose} pieces are in line with a next place"


def _run(pieces: NDArray[np.bool_], row: int, column: int, down: int, right: int) -> int:
    """Length of the unbroken line of pieces through a place, the place itself not counted."""
    length = 0
    for sign in (1, -1):
        r, c = row + sign * down, column + sign * right
        while 0 <= r < ROWS and 0 <= c < COLUMNS and pieces[r, c]:
            length, r, c = length + 1, r + sign * down, c + sign * right
    return length


def _stack(mine: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> str:
    """The tallest stack of pieces of one's own that is not covered and has room."""
    best, where = 0, -1
    for row, column in _landing(mine | theirs):
        height = _run(mine, row, column, 1, 0)
        if height > best:
            best, where = height, column
    return f"my tallest open stack is {best} in column_{where}" if best else "no piece of mine is on top of a column"


def _grid(mine: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> str:
    marks = np.where(mine, "X", np.where(theirs, "O", "."))
    return "\n".join([*(" ".join(row) for row in marks.tolist()), " ".join(map(str, range(COLUMNS)))])
