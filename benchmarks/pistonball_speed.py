"""Pistonball side by side: PettingZoo's public parallel API and this project's environment, in one run.

    python benchmarks/pistonball_speed.py [--cycles 500] [--num-pistons 20]

All rows play the rule agent from the same seeds. Figures are cycles per second of CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from pettingzoo import make

from envs.pistonball import PistonballEnvironment, rule_actions, rule_moves

K, TAU = 1.0, 4.0


def public_api(num_pistons: int, cycles: int) -> float:
    """The public parallel API as it is: a picture for every agent in every cycle."""
    environment: Any = make("parallel", "butterfly/pistonball-v6", n_pistons=num_pistons, continuous=False)
    table = environment.unwrapped
    seed, left = 0, cycles
    environment.reset(seed=seed)
    centres = [piston.position[0] + table.piston_width / 2 - table.piston_radius for piston in table.pistonList]
    started = time.process_time()
    while left:
        heights = [-piston.position[1] for piston in table.pistonList]
        moves = rule_moves(centres, heights, table.ball.position[0], piston_width=table.piston_width, k=K, tau=TAU)
        environment.step({agent: move + 1 for agent, move in zip(environment.agents, moves, strict=True)})
        left -= 1
        if not environment.agents:
            seed += 1
            environment.reset(seed=seed)
    return cycles / (time.process_time() - started)


def ours(num_pistons: int, cycles: int, look: Callable[[PistonballEnvironment], Any]) -> float:
    """This project's environment; `look` reads what the row is about in every cycle."""
    environment = PistonballEnvironment(num_pistons)
    seed, left = 0, cycles
    environment.reset(seed)
    started = time.process_time()
    while left:
        look(environment)
        outcome = environment.step(rule_actions(environment, k=K, tau=TAU))
        left -= 1
        if outcome.done or outcome.truncated:
            seed += 1
            environment.reset(seed)
    return cycles / (time.process_time() - started)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--cycles", type=int, default=500, help="cycles of the public API (ours play ten times as many)"
    )
    parser.add_argument("--num-pistons", type=int, default=20)
    arguments = parser.parse_args()
    n, cycles = arguments.num_pistons, arguments.cycles
    base = public_api(n, cycles)
    rows = {
        "PettingZoo parallel API": base,
        "ours": ours(n, 10 * cycles, lambda environment: None),
        "ours, local texts of all agents": ours(
            n, 10 * cycles, lambda environment: [environment.observe(agent) for agent in environment.agents]
        ),
        "ours, local texts, text and data for critics": ours(
            n,
            10 * cycles,
            lambda environment: (
                [environment.observe(agent) for agent in environment.agents],
                environment.describe_state(),
                environment.global_state(),
            ),
        ),
    }
    print(f"{n} pistons, rule agent, cycles per CPU second")
    for name, speed in rows.items():
        print(f"{name:<46} {speed:>8.0f}  {speed / base:>6.1f}x")


if __name__ == "__main__":
    main()
