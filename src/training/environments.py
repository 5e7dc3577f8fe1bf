"""The environment part of a configuration: one settings class per environment, told apart by `name`."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, field_validator, model_validator

from envs.base import MultiAgentEnvironment
from envs.registry import make

Count = Annotated[int, Field(strict=True, ge=1)]


def _read_size(size: object) -> object:
    """A size as flags have it: ``64,48`` or ``64x48``."""
    if not isinstance(size, str):
        return size
    if not re.fullmatch(r"\d{1,5}[,x]\d{1,5}", size):
        raise ValueError(f"must be width and height, such as 64,48, not {size!r}")
    return tuple(map(int, re.split("[,x]", size)))


Size = Annotated[tuple[Count, Count], BeforeValidator(_read_size)]


class _Settings(BaseModel):
    """What the settings of all environments share."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: what `envs.make` takes, and all that the agents can notice."""
        return self.model_dump()

    def make(self) -> MultiAgentEnvironment:
        """Build the environment."""
        return make(**self.parameters())

    @property
    def run_name(self) -> str:
        """What a run is called if nobody names it."""
        return "pistonball_exp"


class PistonballSettings(_Settings):
    """Pistonball. `frame_size` and `stack_size` are for agents that see pictures; those that read text ignore them.

    Agents that see pictures play PettingZoo's own `pistonball_v6`, which draws.
    """

    name: Literal["pistonball"] = "pistonball"
    num_pistons: Annotated[int, Field(strict=True, ge=2, le=1000, description="pistons, one agent each")] = 10
    max_cycles: Annotated[Count, Field(le=1_000_000, description="length of an episode that is not won")] = 125
    action_mode: Annotated[
        Literal["discrete", "continuous"], Field(description="actions 0, 1, 2 or numbers from -1 to 1")
    ] = "discrete"
    random_drop: Annotated[bool, Field(strict=True, description="the ball starts at a random place")] = True
    pistons_start_low: Annotated[bool, Field(strict=True, description="all pistons start fully retracted")] = False
    field_of_view: Annotated[
        float | None, Field(strict=True, gt=0, allow_inf_nan=False, description="sight in piston widths; null: all")
    ] = 4.0
    observation: Annotated[
        Literal["full", "compact"], Field(description="full: words; compact: 8 characters, for small models")
    ] = "full"
    pictures: Annotated[bool, Field(strict=True, description="agents see pictures, not text")] = False
    frame_size: Annotated[Size, Field(description="width,height of a picture; text agents ignore it")] = (64, 64)
    stack_size: Annotated[Count, Field(description="pictures per observation; text agents ignore it")] = 4

    @model_validator(mode="after")
    def _check_pictures(self) -> Self:
        if self.pictures and self.pistons_start_low:
            raise ValueError("pictures and pistons_start_low do not go together; PettingZoo has no such start")
        return self

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: what `envs.make` takes, and all that the agents can notice."""
        if not self.pictures:
            return self.model_dump(exclude={"pictures", "frame_size", "stack_size"})
        options = {
            "n_pistons": self.num_pistons,
            "continuous": self.action_mode == "continuous",
            "random_drop": self.random_drop,
            "max_cycles": self.max_cycles,
        }
        shared = self.model_dump(include={"max_cycles", "pictures", "frame_size", "stack_size"})
        return {"name": "pettingzoo", "env": "butterfly/pistonball-v6", "options": options, **shared}


class LampsSettings(_Settings):
    """Lamps, the tiny environment for trying things."""

    name: Literal["lamps"] = "lamps"
    num_agents: Annotated[int, Field(strict=True, ge=1, le=100, description="keepers of lamps")] = 2
    max_cycles: Annotated[Count, Field(description="length of an episode that is not won")] = 16
    goal: Annotated[
        float | None, Field(strict=True, gt=0, allow_inf_nan=False, description="what wins; null: play all cycles")
    ] = None


class PettingZooSettings(_Settings):
    """Any PettingZoo game."""

    name: Literal["pettingzoo"] = "pettingzoo"
    env: Annotated[str, Field(min_length=1, description="the game: classic/tictactoe-v3, my_module:my_env, …")] = (
        "classic/tictactoe-v3"
    )
    max_cycles: Annotated[Count, Field(le=1_000_000, description="an episode is cut after so many cycles")] = 1000
    opponents: Annotated[
        Literal["none", "random", "self"] | None,
        Field(description="random: each seat at a table of its own; self: against each other; null: by the game"),
    ] = None
    seats: Annotated[tuple[str, ...] | None, Field(description="seats that learn, with commas; null: all")] = None
    games: Annotated[Count | None, Field(description="games in a row per episode; null: by the game")] = None
    options: Annotated[dict[str, JsonValue], Field(description="what the game's maker takes, as a JSON object")] = {}
    pictures: Annotated[bool, Field(strict=True, description="agents see pictures beside the text")] = False
    frame_size: Annotated[Size, Field(description="width,height of a picture")] = (64, 64)
    stack_size: Annotated[Count, Field(description="pictures per observation")] = 4

    @field_validator("seats", mode="before")
    @classmethod
    def _split_seats(cls, seats: object) -> object:
        return tuple(seat.strip() for seat in seats.split(",")) if isinstance(seats, str) else seats

    @field_validator("options", mode="before")
    @classmethod
    def _read_options(cls, options: object) -> object:
        return _json_object(options, '{"num_actions": 5}')

    @property
    def num_agents(self) -> int:
        """Number of agents."""
        return len(self.make().agents)

    @property
    def run_name(self) -> str:
        """What a run is called if nobody names it: ``tictactoe_exp``."""
        game = re.split(r"[/:]", re.sub(r"[-_]v\d+$", "", self.env))[-1]
        return f"{re.sub(r'[^A-Za-z0-9]+', '_', game).strip('_')[:90] or 'game'}_exp"


class MathSettings(_Settings):
    """Mathematics: an exam of a few problems per episode."""

    name: Literal["math"] = "math"
    problems: Annotated[str, Field(min_length=1, description="short, arithmetic, word_problems, gsm8k or math")] = (
        "short"
    )
    split: Annotated[
        Literal["train", "eval", "test"], Field(description="problems to play; train is scored on eval")
    ] = "train"
    per_episode: Annotated[Count, Field(le=1000, description="problems in an episode")] = 8
    size: Annotated[Count, Field(le=1_000_000, description="problems to choose from (or the most, of a data set)")] = (
        1000
    )
    options: Annotated[dict[str, JsonValue], Field(description="what the problems take, as a JSON object")] = {}
    rel_tol: Annotated[float, Field(ge=0, lt=1, description="how far off a number may be, as a part of it")] = 0.0

    @field_validator("options", mode="before")
    @classmethod
    def _read_options(cls, options: object) -> object:
        return _json_object(options, '{"family": "shop"}')

    @property
    def num_agents(self) -> int:
        """Number of agents: one solver."""
        return 1

    @property
    def max_cycles(self) -> int:
        """Length of an episode."""
        return self.per_episode

    @property
    def run_name(self) -> str:
        """What a run is called if nobody names it."""
        return "math_exp"


Settings = PistonballSettings | LampsSettings | MathSettings | PettingZooSettings
EnvironmentSettings = Annotated[Settings, Field(discriminator="name")]
ENVIRONMENTS: tuple[type[Settings], ...] = (PistonballSettings, LampsSettings, MathSettings, PettingZooSettings)


def _json_object(value: object, example: str) -> object:
    """A JSON object that a flag gives as a text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"must be a JSON object, such as {example}: {error}") from None
