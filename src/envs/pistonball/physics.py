"""The physics of PettingZoo's `pistonball_v6` without its pictures.

The public API draws the whole screen and copies two pictures per agent in every cycle; nearly all of its time goes
there. Here the same PettingZoo object is built and reset, and its pymunk space is stepped in the same order (one piston
moves, then the space advances by one tick, for every piston in turn), so positions, rewards and ends are equal to the
last bit.

Screen coordinates: x grows to the right, y grows *downwards*. A piston moves up when its y falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textgrad_agents.errors import ConfigError


class PistonballPhysics:
    """One pistonball table: a ball, pistons in a row, walls.

    Args:
        num_pistons: how many pistons.
        random_drop: the ball starts at a random place (else always at the same one).
        pistons_start_low: every piston starts fully retracted (PettingZoo has no such option).
        pictures: build it so that `picture` works.

    Attributes:
        ys: screen height of each piston, `top_y` (raised) to `bottom_y` (retracted).
        centres: x of the middle of each piston.
    """

    def __init__(self, num_pistons: int, *, random_drop: bool, pistons_start_low: bool, pictures: bool = False) -> None:
        table = _build_table(num_pistons, random_drop=random_drop, pictures=pictures)
        self._table = table
        self._pistons_start_low = pistons_start_low
        self.piston_width: int = table.piston_width
        self.wall_x: int = table.wall_width
        self.ball_radius: int = table.ball_radius
        self.step_height: int = table.pixels_per_position
        self.travel: int = table.n_piston_positions * table.pixels_per_position
        self.bottom_y: int = table.screen_height - table.wall_width - table.piston_height + table.piston_head_height
        self.top_y: int = self.bottom_y - self.travel
        self.centres = tuple(table.wall_width + (i + 0.5) * table.piston_width for i in range(num_pistons))
        self.ys: list[float] = []

    def reset(self, seed: int) -> None:
        """Start anew; the same seed gives the same start."""
        table = self._table
        table.reset(seed=seed)
        if self._pistons_start_low:
            for piston in table.pistonList:
                piston.position = (piston.position[0], self.bottom_y)
        self._space = table.space
        self.ball: Any = table.ball
        self._pistons: list[Any] = table.pistonList
        self.xs = [piston.position[0] for piston in table.pistonList]
        self.ys = [piston.position[1] for piston in table.pistonList]
        self.left_edge = self._ball_left_edge()
        self.start_distance = self.left_edge - self.wall_x

    def step(self, moves: Sequence[float] | Sequence[np.float32]) -> tuple[float, bool]:
        """Let every piston move once, from left to right.

        Args:
            moves: for each piston -1 (one position down) to 1 (one position up). Single precision numbers are added in
                single precision, as PettingZoo does.

        Returns:
            The reward of every agent, and whether the ball is at the left wall.
        """
        space_step = self._space.step
        dt, unit, top, bottom, ys = self._table.dt, self.step_height, self.top_y, self.bottom_y, self.ys
        for i, move in enumerate(moves):
            if move:
                y = float(min(max(ys[i] - move * unit, top), bottom))
                if y != ys[i]:
                    ys[i] = y
                    self._pistons[i].position = (self.xs[i], y)
            space_step(dt)
        before, self.left_edge = self.left_edge, self._ball_left_edge()
        arrived = self.left_edge + self.ball.velocity[0] * dt <= self.wall_x + 1
        reward = (before - self.left_edge) * (100 / self.start_distance)
        return (reward if arrived else reward + self._table.time_penalty), arrived

    def ball_height(self, y: float) -> float:
        """Height of the underside of a ball whose middle is at `y`; 0 if it lies on a retracted piston."""
        return self.bottom_y - self._table.piston_radius - self.ball_radius - y

    def picture(self, scale: float) -> Any:
        """The table as an RGB array `(height, width, 3)` of uint8, scaled with smoothing."""
        import pygame

        full = self._table.render()
        if scale == 1:
            return full
        height, width = full.shape[:2]
        surface = pygame.surfarray.make_surface(full.transpose(1, 0, 2))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = pygame.transform.smoothscale(surface, size)
        return np.ascontiguousarray(pygame.surfarray.array3d(small).transpose(1, 0, 2))

    def _ball_left_edge(self) -> int:
        return max(self.wall_x, int(self.ball.position[0] - self.ball_radius))


def _build_table(num_pistons: int, *, random_drop: bool, pictures: bool) -> Any:
    try:
        from pettingzoo import make  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise ConfigError("pistonball needs PettingZoo; install textgrad-agents[envs]") from None
    wrapped: Any = make(
        "aec",
        "butterfly/pistonball-v6",
        n_pistons=num_pistons,
        random_drop=random_drop,
        render_mode="rgb_array" if pictures else None,
    )
    return wrapped.unwrapped
