"""Pistonball: pistons in a row carry a ball to the left wall by moving up and down together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from envs.base import Action, MultiAgentEnvironment, StepOutcome
from envs.parameters import check_above_zero, check_whole
from envs.pistonball import compact
from envs.pistonball.actions import ActionMode, piston_actions
from envs.pistonball.observations import ABOVE_WIDTHS, CLOSE_WIDTHS, STILL_PX, BallView, LocalObserver, describe_table
from envs.pistonball.physics import PistonballPhysics
from textgrad_agents.errors import ConfigError, EnvError

MAX_PISTONS = 1000  # PettingZoo draws a screen of 40 px per piston even when nobody looks

Observation = Literal["full", "compact"]

_DISCRETE_MOVES: Mapping[Action, float] = {0: -1.0, 1: 0.0, 2: 1.0}


class PistonballEnvironment(MultiAgentEnvironment):
    """PettingZoo's `pistonball_v6` for agents that read and write text.

    Physics, rewards and ends are those of PettingZoo's own parallel API, to the last bit; no picture is drawn unless
    `frames` is called.

    Args:
        num_pistons: how many agents (2 to 1000).
        max_cycles: length of an episode that is not won.
        action_mode: "discrete" (0, 1, 2) or "continuous" (-1 to 1).
        random_drop: the ball starts at a random place.
        pistons_start_low: every piston starts fully retracted, instead of at random heights.
        field_of_view: how far an agent sees to each side, in piston widths; None for everything.
        observation: "full" (words and px) or "compact" (eight characters, and moves of one letter; for small models,
            see `envs.pistonball.compact`).

    Raises:
        ConfigError: a parameter is out of its range, or PettingZoo is not installed.
    """

    name = "pistonball"

    def __init__(
        self,
        num_pistons: int = 20,
        max_cycles: int = 125,
        action_mode: ActionMode = "discrete",
        random_drop: bool = True,
        pistons_start_low: bool = False,
        field_of_view: float | None = 4.0,
        observation: Observation = "full",
    ) -> None:
        check_whole("num_pistons", num_pistons, 2, MAX_PISTONS)
        check_whole("max_cycles", max_cycles, 1, 1_000_000)
        if action_mode not in get_args(ActionMode):
            raise ConfigError(f'action_mode must be "discrete" or "continuous", not {action_mode!r}')
        if observation not in get_args(Observation):
            raise ConfigError(f'observation must be "full" or "compact", not {observation!r}')
        if observation == "compact" and action_mode != "discrete":
            raise ConfigError("compact observations go with the moves d, s and u; use action_mode discrete")
        if field_of_view is not None:
            check_above_zero("field_of_view", field_of_view, "in piston widths, or None for no limit")
        self.agents = tuple(f"piston_{i}" for i in range(num_pistons))
        self.max_cycles = max_cycles
        self.action_mode: ActionMode = action_mode
        self.action_space = piston_actions(action_mode, letters=observation == "compact")
        self.random_drop = random_drop
        self.pistons_start_low = pistons_start_low
        self.field_of_view = field_of_view
        self.observation: Observation = observation
        self._physics = PistonballPhysics(num_pistons, random_drop=random_drop, pistons_start_low=pistons_start_low)
        self._observer = (
            LocalObserver(self.agents, self.centres, self.piston_width, field_of_view)
            if observation == "full"
            else compact.CompactObserver(self.centres, self.piston_width, self._physics.travel, field_of_view)
        )
        self._places = {agent: i for i, agent in enumerate(self.agents)}
        self._cycle = 0
        self._running = self._started = False
        self._previous_x = 0.0
        self._previous_ys: tuple[float, ...] = ()
        self._ball_view: BallView | None = None
        self._heights: list[float] | None = None

    @property
    def rules(self) -> str:
        """The rules of the game in words."""
        width, travel = self.piston_width, self._physics.travel
        sight = (
            "You see the ball wherever it is."
            if self.field_of_view is None
            else f"You see the ball when it is within {self.field_of_view * width:g} px to your left or right."
        )
        words = (
            compact.MEANING
            if self.observation == "compact"
            else (
                f"It is above you within {ABOVE_WIDTHS * width:g} px, close within {CLOSE_WIDTHS * width:g} px, far"
                f" beyond that; it is still while it moves no more than {STILL_PX:g} px in a cycle."
            )
        )
        return (
            f"{len(self.agents)} pistons stand in a row between two walls, each {width} px wide, and a ball drops onto"
            " them near the right wall. In every cycle each piston moves up, stays, or moves down; its height goes from"
            f" 0 px (fully down) to {travel} px (fully up). The ball rolls and bounces on the pistons. All pistons"
            " share one reward: in each cycle the share of the way to the left wall that the ball gained (in percent"
            " of the whole way; negative when it rolled back), less 0.1 for the time. The episode ends when the ball"
            f" reaches the left wall, or after {self.max_cycles} cycles. {sight} {words}"
        )

    @property
    def piston_width(self) -> int:
        """Width of a piston in px."""
        return self._physics.piston_width

    @property
    def centres(self) -> tuple[float, ...]:
        """X of the middle of each piston."""
        return self._physics.centres

    @property
    def heights(self) -> list[float]:
        """Height of each piston in px, 0 for fully down."""
        bottom = self._physics.bottom_y
        return [bottom - y for y in self._physics.ys]

    @property
    def ball_x(self) -> float:
        """X of the middle of the ball."""
        return self._ball().x

    def reset(self, seed: int) -> None:
        """Start an episode; `seed` is a whole number from 0."""
        if seed < 0:
            raise EnvError(f"reset: a seed is a whole number from 0, not {seed}")
        self._physics.reset(seed)
        self._cycle = 0
        self._running = self._started = True
        self._previous_x = self._physics.ball.position[0]
        self._previous_ys = tuple(self._physics.ys)
        self._forget_views()

    def observe(self, agent: str) -> str:
        """What `agent` sees from where it stands."""
        place = self._places.get(agent)
        if place is None:
            raise EnvError(f"{agent!r} is not an agent of this pistonball table; they are {self._range()}")
        return self._observer.text(place, self._view_heights(), self._ball())

    def describe_state(self) -> str:
        """The whole table in words, for critics only."""
        self._require_started()
        velocity = self._physics.ball.velocity
        return describe_table(
            self.agents,
            self.centres,
            self._view_heights(),
            self._ball(),
            velocity=(velocity[0], -velocity[1]),
            progress=self._progress(),
            piston_width=self.piston_width,
        )

    def global_state(self) -> dict[str, Any]:
        """The whole table as data, for critics and records only.

        Positions of the ball are px on the screen (y grows downwards), velocities px/s; a piston's position is its
        height in px and its velocity the px it rose in the last cycle.
        """
        self._require_started()
        ball, bottom = self._physics.ball, self._physics.bottom_y
        rows = zip(self._physics.ys, self._previous_ys, strict=True)
        return {
            "cycle": self._cycle,
            "ball_position": [round(ball.position[0], 2), round(ball.position[1], 2)],
            "ball_velocity": [round(ball.velocity[0], 2), round(ball.velocity[1], 2)],
            "ball_angle": round(ball.angle, 3),
            "ball_angular_velocity": round(ball.angular_velocity, 3),
            "progress": round(self._progress(), 2),
            "pistons": [
                {"index": i, "position": round(bottom - y, 2), "velocity": round(before - y, 2)}
                for i, (y, before) in enumerate(rows)
            ],
        }

    def step(self, actions: Mapping[str, Action]) -> StepOutcome:
        """Let all pistons move once."""
        if not self._running:
            state = "is over" if self._started else "has not begun"
            raise EnvError(f"step: the episode {state}; call reset(seed) first")
        moves = self._moves(actions)
        self._previous_x = self._physics.ball.position[0]
        self._previous_ys = tuple(self._physics.ys)
        reward, done = self._physics.step(moves)
        self._cycle += 1
        self._forget_views()
        truncated = self._cycle >= self.max_cycles
        self._running = not (done or truncated)
        return StepOutcome(dict.fromkeys(self.agents, reward), done, truncated)

    def parameters(self) -> dict[str, Any]:
        """Name and parameters: `envs.make(**parameters)` builds the same environment."""
        return {
            "name": self.name,
            "num_pistons": len(self.agents),
            "max_cycles": self.max_cycles,
            "action_mode": self.action_mode,
            "random_drop": self.random_drop,
            "pistons_start_low": self.pistons_start_low,
            "field_of_view": self.field_of_view,
            "observation": self.observation,
        }

    def frames(self, seed: int, actions: Sequence[Mapping[str, Action]], *, scale: float = 0.5) -> list[Any]:
        """Draw a recorded episode again: one RGB array per cycle, `scale` times PettingZoo's size.

        The episode is played again on a table of its own; a running episode is not disturbed.
        """
        if not 0 < scale <= 4:
            raise ConfigError(f"scale must be above 0 and at most 4, not {scale}")
        physics = PistonballPhysics(
            len(self.agents),
            random_drop=self.random_drop,
            pistons_start_low=self.pistons_start_low,
            pictures=True,
        )
        physics.reset(seed)
        pictures: list[Any] = []
        for chosen in actions:
            physics.step(self._moves(chosen))
            pictures.append(physics.picture(scale))
        return pictures

    def _moves(self, actions: Mapping[str, Action]) -> list[float] | list[np.float32]:
        if len(actions) != len(self.agents):
            raise EnvError(f"step: every agent acts in every cycle; {len(actions)} of {len(self.agents)} actions came")
        try:
            if self.action_mode == "discrete":
                return [_DISCRETE_MOVES[actions[agent]] for agent in self.agents]
            return [_single(actions[agent]) for agent in self.agents]
        except (KeyError, TypeError, ValueError):
            raise EnvError(self._explain(actions)) from None

    def _explain(self, actions: Mapping[str, Any]) -> str:
        missing = [agent for agent in self.agents if agent not in actions]
        if missing:
            return f"step: no action for {', '.join(missing)}; agents are {self._range()}"
        legal = "0, 1 or 2" if self.action_mode == "discrete" else "a number from -1 to 1"
        return f"step: an action is {legal}, the value that the action space parsed; actions were {dict(actions)!r}"

    def _ball(self) -> BallView:
        if self._ball_view is None:
            self._require_started()
            x, y = self._physics.ball.position
            self._ball_view = BallView(x, self._physics.ball_height(y), x - self._previous_x)
        return self._ball_view

    def _view_heights(self) -> list[float]:
        if self._heights is None:
            self._require_started()
            self._heights = self.heights
        return self._heights

    def _forget_views(self) -> None:
        self._ball_view = self._heights = None

    def _progress(self) -> float:
        return 100 * (1 - (self._physics.left_edge - self._physics.wall_x) / self._physics.start_distance)

    def _require_started(self) -> None:
        if not self._started:
            raise EnvError("the episode has not begun; call reset(seed) first")

    def _range(self) -> str:
        return f"{self.agents[0]} to {self.agents[-1]}"


def _single(value: Action) -> np.float32:
    """A continuous action as PettingZoo's action space has it: clipped to [-1, 1], in single precision."""
    if isinstance(value, str) or math.isnan(value):
        raise ValueError
    return np.float32(min(1.0, max(-1.0, value)))
