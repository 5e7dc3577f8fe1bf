"""Any PettingZoo game for agents that read and write text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from envs.base import Action, ActionSpace, MultiAgentEnvironment, StepOutcome
from envs.multi_agent.describer import DESCRIBERS, Describer
from envs.multi_agent.games import Game
from envs.multi_agent.opening import game_key, open_game
from envs.multi_agent.seats import SeatActions, seat_actions
from envs.multi_agent.table import Table
from envs.parameters import check_whole
from textgrad_agents.errors import ConfigError, EnvError
from textgrad_agents.seeds import derive_seed

Opponents = Literal["none", "random", "self"]

_GAP = 8  # px between the pictures of two tables


class PettingZooEnvironment(MultiAgentEnvironment):
    """A PettingZoo game, turn-based or simultaneous.

    What one seat wins another may lose; then the mean over all seats is always the same and says nothing. So seats can
    be judged apart: with opponents "random", each seat that learns sits at a table of its own, where the environment
    plays the other seats at random. With "self" the seats that learn play each other at one table, and scores are
    taken as with "random" (`yardstick`).

    Args:
        env: the game: a name of PettingZoo, ``package/game-vN``, or ``module:attribute``.
        max_cycles: an episode is cut after so many cycles.
        opponents: "none", "random" or "self"; None for "random" where the game is described as competitive, and for
            "none" elsewhere.
        seats: the seats that learn; None for all. The others play at random.
        games: games in a row that make an episode; None for the number that the game's description suggests.
        options: what the game's maker takes.
        pictures: agents see pictures (grey, resized, the last few side by side) beside the text.
        frame_size: width and height of a picture.
        stack_size: how many pictures an agent sees at once.

    Raises:
        ConfigError: there is no such game, or a parameter cannot be used.
    """

    name = "pettingzoo"

    def __init__(
        self,
        env: str,
        max_cycles: int = 1000,
        opponents: Opponents | None = None,
        seats: Sequence[str] | None = None,
        games: int | None = None,
        options: Mapping[str, Any] | None = None,
        pictures: bool = False,
        frame_size: Sequence[int] = (64, 64),
        stack_size: int = 4,
    ) -> None:
        check_whole("max_cycles", max_cycles, 1, 1_000_000)
        check_whole("stack_size", stack_size, 1, 64)
        for side in frame_size:
            check_whole("frame_size", side, 1, 4096)
        self._kind = _describer(env)
        self._options = dict(options or {})
        self._frames = (frame_size[0], frame_size[1], stack_size) if pictures else None
        game = self._open(env)
        self._env = game.title
        self.agents = _learning(game, seats)
        self.max_cycles = max_cycles
        self._games = self._kind.games if games is None else games
        check_whole("games", self._games, 1, 1_000_000)
        self._opponents = opponents or ("random" if self._kind.competitive else "none")
        if self._opponents not in get_args(Opponents):
            raise ConfigError(f"opponents must be {', '.join(get_args(Opponents))}, not {opponents!r}")
        self._parameters: dict[str, Any] = {
            "name": self.name,
            "env": self._env,
            "max_cycles": max_cycles,
            "opponents": self._opponents,
            "seats": list(self.agents),
            "games": self._games,
            "options": self._options,
            "pictures": pictures,
            "frame_size": list(frame_size),
            "stack_size": stack_size,
        }
        self._tables, self._describers = self._set_up(game)
        self._table_of = {seat: i for i, table in enumerate(self._tables) for seat in table.seats}
        self._cycle = 0
        self._running = self._started = False

    @property
    def acting_agents(self) -> tuple[str, ...]:
        """The agents that act in the coming cycle."""
        self._require_started()
        acting = {seat for table in self._tables for seat in table.acting}
        return tuple(agent for agent in self.agents if agent in acting)

    @property
    def rules(self) -> str:
        """The rules of the game in words."""
        parts = [self._describers[0].rules()]
        if self._opponents == "random":
            parts.append(
                f"{self._named_agents()} each play at a table of their own, where all other seats are played at random;"
                " the team's score is the mean over these tables."
            )
        elif len(self.agents) < len(self._tables[0].game.seats):
            parts.append(f"{self._named_agents()} decide; all other seats are played at random.")
        if self._games > 1:
            parts.append(f"An episode is {self._games} games in a row.")
        return " ".join([*parts, f"An episode is cut after {self.max_cycles} cycles."])

    def action_space_of(self, agent: str) -> ActionSpace:
        """The actions open to an acting agent."""
        return self._place(agent).open(agent)

    def reset(self, seed: int) -> None:
        """Start an episode."""
        self._running = self._started = False
        for table in self._tables:
            table.reset(derive_seed(seed, *table.seats))
        self._cycle = 0
        self._running = self._started = True

    def observe(self, agent: str) -> str:
        """What an acting agent sees."""
        self._place(agent)
        if self._frames is None:
            return self._describers[self._table_of[agent]].observe(agent)
        last = self._frames[2]
        shown = "what I see now" if last == 1 else f"what I saw in the last {last} cycles, the newest on the right"
        return f"I am {agent}.\nThe picture shows {shown}."

    def picture(self, agent: str) -> NDArray[np.uint8] | None:
        """What an acting agent sees as a picture, if agents are shown some."""
        return None if self._frames is None else cast("Any", self._place(agent).game).picture(agent)

    def describe_state(self) -> str:
        """All tables in words, for critics only."""
        self._require_started()
        parts: list[str] = []
        for table, describer in zip(self._tables, self._describers, strict=True):
            head = [f"Table of {', '.join(table.seats)}."] if len(self._tables) > 1 else []
            if self._games > 1:
                head.append(f"Game {min(table.played + 1, self._games)} of {self._games}.")
            text = describer.whole() if table.played < self._games else "All games are over."
            parts.append("\n".join([*([" ".join(head)] if head else []), text]))
        return "\n".join(parts)

    def global_state(self) -> dict[str, Any]:
        """All tables as data, for critics and records only."""
        self._require_started()
        tables = [
            {"seats": list(table.seats), "games_played": table.played}
            | (describer.facts() if table.played < self._games else {})
            for table, describer in zip(self._tables, self._describers, strict=True)
        ]
        return {"cycle": self._cycle, "tables": tables}

    def step(self, actions: Mapping[str, Action]) -> StepOutcome:
        """Let the acting agents act once."""
        if not self._running:
            raise EnvError(
                f"step: the episode {'is over' if self._started else 'has not begun'}; call reset(seed) first"
            )
        natives = self._natives(self._tables, actions)
        self._running = False  # until the step is through: a game that fails in the middle cannot go on
        earned = self._advance(self._tables, natives)
        self._cycle += 1
        over = all(table.played == self._games for table in self._tables)
        cut = over and all(table.truncated for table in self._tables)
        truncated = cut or (not over and self._cycle >= self.max_cycles)
        self._running = not (over or truncated)
        return StepOutcome({agent: earned.get(agent, 0.0) for agent in self.agents}, over and not cut, truncated)

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: `envs.make(**parameters)` builds the same environment."""
        return dict(self._parameters)

    def yardstick(self) -> MultiAgentEnvironment:
        """The environment in which a team's score is taken: against random opponents, if it plays itself here."""
        if self._opponents != "self":
            return self
        given: dict[str, Any] = self._parameters | {"opponents": "random"}
        return PettingZooEnvironment(**{name: value for name, value in given.items() if name != "name"})

    def close(self) -> None:
        """Release the games."""
        for table in self._tables:
            table.game.close()

    def frames(self, seed: int, actions: Sequence[Mapping[str, Action]], *, scale: float = 0.5) -> list[Any]:
        """Draw a recorded episode again, tables side by side: one RGB array per cycle, `scale` times the game's size.

        The episode is played again at tables of its own; a running episode is not disturbed.
        """
        if not 0 < scale <= 4:
            raise ConfigError(f"scale must be above 0 and at most 4, not {scale}")
        if "rgb_array" not in self._tables[0].game.raw.metadata.get("render_modes", ()):
            raise NotImplementedError(f"{self._env} draws no pictures")
        tables, _ = self._set_up(self._open(self._env, draws=True), draws=True)
        for table in tables:
            table.reset(derive_seed(seed, *table.seats))
        views: list[Any] = [None] * len(tables)
        pictures: list[Any] = []
        for chosen in actions:
            playing = [i for i, table in enumerate(tables) if table.acting]
            self._advance(tables, self._natives(tables, chosen))
            for i in playing:
                views[i] = _scaled(tables[i].game.render(), scale)
            pictures.append(_side_by_side(views))
        return pictures

    # -- inside --------------------------------------------------------------------------------------------------

    def _open(self, env: str, *, draws: bool = False) -> Game:
        if self._frames is None:
            return open_game(env, self._options, draws=draws)
        from envs.multi_agent.pictures import PictureGame

        width, height, stack = self._frames
        wrap = partial(PictureGame, size=(width, height), stack=stack)
        game = open_game(env, {**self._kind.picture_options, **self._options}, draws=True, wrap=wrap)
        if not isinstance(game, PictureGame):
            raise ConfigError(
                f"{game.title} is played in turns; pictures are for games in which all agents act at once"
            )
        return game

    def _set_up(self, game: Game, *, draws: bool = False) -> tuple[list[Table], list[Describer]]:
        """The tables, of which the first plays `game`, and who describes them."""
        apart = self._opponents == "random"
        parties = [(agent,) for agent in self.agents] if apart else [self.agents]
        games = [game, *(self._open(self._env, draws=draws) for _ in parties[1:])]
        describers = [self._kind(game) for game in games]
        tables = [
            Table(game, _actions(game, describer), seats, self._games)
            for game, describer, seats in zip(games, describers, parties, strict=True)
        ]
        return tables, describers

    def _place(self, agent: str) -> Table:
        """The table at which an agent acts now.

        Raises:
            EnvError: there is no such agent, or it does not act now.
        """
        self._require_started()
        if agent not in self._table_of:
            raise EnvError(f"{agent!r} is not an agent here; they are {', '.join(self.agents)}")
        table = self._tables[self._table_of[agent]]
        if agent not in table.acting:
            raise EnvError(f"{agent} does not act now; {', '.join(self.acting_agents) or 'nobody'} does")
        return table

    def _natives(self, tables: Sequence[Table], actions: Mapping[str, Action]) -> list[dict[str, Any]]:
        """What the games take for the actions, by table.

        Raises:
            EnvError: it is not one open action for each acting agent.
        """
        acting = [seat for table in tables for seat in table.acting]
        if set(actions) != set(acting):
            raise EnvError(
                f"step: {', '.join(acting)} act in this cycle; actions came for {', '.join(actions) or 'nobody'}"
            )
        natives: list[dict[str, Any]] = []
        for table in tables:
            natives.append({})
            for seat in table.acting:
                try:
                    natives[-1][seat] = table.native(seat, actions[seat])
                except (TypeError, ValueError):
                    names = ", ".join(f"{value:g} ({name})" for name, value in table.open(seat).choices.items())
                    raise EnvError(f"step: {seat} can choose {names[:300]}, not {actions[seat]!r}") from None
        return natives

    @staticmethod
    def _advance(tables: Sequence[Table], natives: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        earned: dict[str, float] = {}
        for table, chosen in zip(tables, natives, strict=True):
            if chosen:
                earned.update(table.step(chosen))
        return earned

    def _named_agents(self) -> str:
        *others, last = self.agents
        return f"{', '.join(others)} and {last}" if others else last

    def _require_started(self) -> None:
        if not self._started:
            raise EnvError("the episode has not begun; call reset(seed) first")


def _describer(env: str) -> type[Describer]:
    key = game_key(env)
    return cast("type[Describer]", DESCRIBERS.find(key)) if key in DESCRIBERS.names() else Describer


def _learning(game: Game, seats: Sequence[str] | None) -> tuple[str, ...]:
    """The seats that learn, in the game's order."""
    if seats is None:
        return game.seats
    unknown = [seat for seat in seats if seat not in game.seats]
    if unknown or not seats:
        raise ConfigError(f"seats of {game.title} are {', '.join(game.seats)}, not {', '.join(unknown) or 'none'}")
    return tuple(seat for seat in game.seats if seat in seats)


def _actions(game: Game, describer: Describer) -> dict[str, SeatActions]:
    return {
        seat: seat_actions(game.action_space(seat), describer.wording(seat), f"{seat} of {game.title}")
        for seat in game.seats
    }


def _scaled(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    from PIL import Image

    if scale == 1:
        return picture
    height, width = picture.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def _side_by_side(views: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    gap = np.full((views[0].shape[0], _GAP, 3), 255, np.uint8)
    parts: list[NDArray[np.uint8]] = [views[0]]
    for view in views[1:]:
        parts += [gap, view]
    return np.concatenate(parts, axis=1)
