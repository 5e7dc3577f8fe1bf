"""The environment part of a configuration: one settings class per environment, told apart by `name`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from envs.base import MultiAgentEnvironment
from envs.registry import make

Count = Annotated[int, Field(strict=True, ge=1)]


class _Settings(BaseModel):
    """What the settings of all environments share."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: what `envs.make` takes, and all that the agents can notice."""
        return self.model_dump()

    def make(self) -> MultiAgentEnvironment:
        """Build the environment."""
        return make(**self.parameters())


class PistonballSettings(_Settings):
    """Pistonball. `frame_size` and `stack_size` are for agents that see pictures; those that read text ignore them."""

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
    frame_size: Annotated[tuple[Count, Count], Field(description="size of a picture; text agents ignore it")] = (64, 64)
    stack_size: Annotated[Count, Field(description="pictures per observation; text agents ignore it")] = 4

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: what `envs.make` takes, and all that the agents can notice."""
        return self.model_dump(exclude={"frame_size", "stack_size"})


class LampsSettings(_Settings):
    """Lamps, the tiny environment for trying things."""

    name: Literal["lamps"] = "lamps"
    num_agents: Annotated[int, Field(strict=True, ge=1, le=100, description="keepers of lamps")] = 2
    max_cycles: Annotated[Count, Field(description="length of an episode that is not won")] = 16
    goal: Annotated[
        float | None, Field(strict=True, gt=0, allow_inf_nan=False, description="what wins; null: play all cycles")
    ] = None


EnvironmentSettings = Annotated[PistonballSettings | LampsSettings, Field(discriminator="name")]
ENVIRONMENTS: tuple[type[PistonballSettings | LampsSettings], ...] = (PistonballSettings, LampsSettings)
