"""Lamps that fail in one episode, in one of several ways; a module of its own, so that workers can import it."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from envs import StepOutcome
from envs.lamps import LampsEnvironment


class OddLamps(LampsEnvironment):
    """Behaves oddly in the third cycle of the episode of one seed.

    Args:
        odd_seed: the seed; None for all episodes.
        how: "raise", "kill" (its process), "nan", "unpaid" (an agent has no reward), "end" (early), "hang" (in close).
        once: a file that is made when it happens; it does not happen while the file is there.
        parameters: of lamps.
    """

    def __init__(self, how: str, odd_seed: int | None = None, once: str | None = None, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.how = how
        self.odd_seed = odd_seed
        self.once = once
        self.left = 99
        self.let_go = threading.Event()

    def parameters(self) -> dict[str, Any]:
        own = {"name": "odd_lamps:OddLamps", "how": self.how, "odd_seed": self.odd_seed, "once": self.once}
        return super().parameters() | own

    def reset(self, seed: int) -> None:
        super().reset(seed)
        odd = self.odd_seed in (None, seed) and not (self.once and Path(self.once).exists())
        self.left = 2 if odd else 99

    def step(self, actions: Mapping[str, int | float]) -> StepOutcome:
        self.left -= 1
        outcome = super().step(actions)
        return outcome if self.left != -1 else self._odd(outcome)

    def _odd(self, outcome: StepOutcome) -> StepOutcome:
        if self.once:
            Path(self.once).touch()
        match self.how:
            case "raise":
                raise ZeroDivisionError("no light")
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "nan":
                return replace(outcome, rewards=dict.fromkeys(outcome.rewards, math.nan))
            case "unpaid":
                return replace(outcome, rewards={self.agents[0]: 1.0})
            case "end":
                return replace(outcome, done=True)
        return outcome

    def close(self) -> None:
        if self.how == "hang":
            self.let_go.wait()
