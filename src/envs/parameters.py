"""Checks that the parameters of environments share."""

from __future__ import annotations

import math

from textgrad_agents.errors import ConfigError


def check_whole(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is not a whole number from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, not {value!r}")


def check_above_zero(name: str, value: float, otherwise: str) -> None:
    """Refuse what is not a finite number above 0; `otherwise` says what else may be given."""
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise ConfigError(f"{name} must be a number above 0, {otherwise}; not {value!r}")
