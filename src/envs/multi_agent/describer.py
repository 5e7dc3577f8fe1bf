"""Describers: what puts a game into words.

`Describer` does so for any game. A game with words of its own has a subclass, known under the game's name::

    class MyDescriber(Describer):
        def observe(self, seat): ...

    DESCRIBERS["my_package/my_game"] = MyDescriber        # or "my_module:MyDescriber"

Texts say what there is to see, never which action is right. An observation that names the situation in a line of its
own (`textgrad_agents.situations`) lets experience be counted; the most telling clause comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from envs.multi_agent.docs import rules_from_docs
from envs.multi_agent.games import Game, is_picture
from envs.multi_agent.seats import Wording
from envs.multi_agent.values import plain, write_value
from envs.registry import Registry
from textgrad_agents.situations import format_situation

DESCRIBERS = Registry(
    "description of a game",
    "envs.make('pettingzoo', env=…)",
    "textgrad_agents.describers",
    {
        "butterfly/knights_archers_zombies": "envs.multi_agent.knights_archers_zombies:KnightsArchersZombies",
        "butterfly/pistonball": "envs.multi_agent.pistonball:PistonballPictures",
        "classic/connect_four": "envs.multi_agent.connect_four:ConnectFour",
        "classic/rps": "envs.multi_agent.rock_paper_scissors:RockPaperScissors",
        "classic/tictactoe": "envs.multi_agent.tictactoe:TicTacToe",
        "mpe2/simple_spread": "envs.multi_agent.simple_spread:SimpleSpread",
    },
)


class Describer:
    """Puts a game into words, from its documentation and from what its agents see.

    Args:
        game: the game; it may be between two episodes.

    Attributes:
        competitive: True if what one seat wins another loses, so that the sum over all seats says nothing.
        games: games in a row that make an episode, if nobody says how many.
        picture_options: what the game's maker needs so that agents see pictures.
    """

    competitive: ClassVar[bool] = False
    games: ClassVar[int] = 1
    picture_options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, game: Game) -> None:
        self.game = game

    def rules(self) -> str:
        """The rules of the game."""
        return rules_from_docs(self.game.docs) or f"The game {self.game.title}."

    def wording(self, seat: str) -> Wording | None:
        """What the actions of a seat are called; None numbers them."""
        return None

    def observe(self, seat: str) -> str:
        """What a seat in the game sees."""
        seen = self.game.observation(seat)
        text = f"I am {seat}.\nI observe: {write_value(seen)}"
        if type(self.game.observation_space(seat)).__name__ == "Discrete":
            text += f"\n{format_situation((f'I observe {int(seen)}',))}"
        return text

    def whole(self) -> str:
        """The whole game, for critics only."""
        seen = [(seat, self.game.observation(seat)) for seat in self.game.living]
        shown = [f"{seat} observes: {write_value(one)}" for seat, one in seen if not is_picture(one)]
        return "\n".join(shown or [f"In the game: {', '.join(self.game.living) or 'nobody'}."])

    def facts(self) -> dict[str, Any]:
        """The whole game as JSON-like data, for critics and records only."""
        return {"observations": {seat: plain(self.game.observation(seat)) for seat in self.game.living}}
