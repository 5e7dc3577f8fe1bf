"""Rock, paper, scissors in words."""

from __future__ import annotations

from typing import Any, ClassVar

from envs.multi_agent.describer import Describer
from envs.multi_agent.seats import Wording
from textgrad_agents.situations import format_situation


class RockPaperScissors(Describer):
    """Two players show a move at the same time; with more than three moves the game is PettingZoo's extension."""

    competitive: ClassVar[bool] = True

    def rules(self) -> str:
        """The rules of the game."""
        moves = self._moves
        beats = "; ".join(f"{move} beats {', '.join(self._beaten(i))}" for i, move in enumerate(moves))
        return (
            f"In every cycle two players show one of {', '.join(moves)} at the same time: {beats}. Whoever's move beats"
            " the other's earns 1, the other loses 1; equal moves earn nothing. Players see the other's last move."
        )

    def wording(self, seat: str) -> Wording:
        """The actions are the moves."""
        return Wording(self._moves, [f"show {move}" for move in self._moves])

    def observe(self, seat: str) -> str:
        """The other's last move."""
        last = int(self.game.observation(seat))
        seen = (
            f"the other's last move was {self._moves[last]}" if last < len(self._moves) else "this is the first round"
        )
        return f"I am {seat}.\n{format_situation((seen,))}"

    def whole(self) -> str:
        """Both last moves."""
        shown = [f"{seat} showed {move or 'nothing yet'}" for seat, move in self.facts()["last_moves"].items()]
        return f"Last round: {', '.join(shown)}."

    def facts(self) -> dict[str, Any]:
        """Both last moves; None before the first round."""
        first, second = self.game.seats
        last = {second: int(self.game.observation(first)), first: int(self.game.observation(second))}
        return {"last_moves": {seat: dict(enumerate(self._moves)).get(last[seat]) for seat in (first, second)}}

    @property
    def _moves(self) -> list[str]:
        """Names of the moves, as the game has them; the last of its own is for no move."""
        return [move.lower() for move in self.game.raw._moves[:-1]]

    def _beaten(self, move: int) -> list[str]:
        """The moves that a move beats: lower ones of the other parity and higher ones of its own."""
        moves = self._moves
        return [name for i, name in enumerate(moves) if i != move and (i < move) == ((i + move) % 2 == 1)]
