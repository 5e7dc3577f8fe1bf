"""What environments raise becomes an EnvError; what does not close is left behind."""

from __future__ import annotations

import pytest
from odd_lamps import OddLamps

from envs.faults import close, guarded
from envs.lamps import LampsEnvironment
from textgrad_agents.errors import ConfigError, EnvError


def test_what_is_raised_is_named() -> None:
    with pytest.raises(EnvError, match="lamps failed to take a step: KeyError: 'x'"), guarded("lamps", "take a step"):
        raise KeyError("x")


@pytest.mark.parametrize("error", [EnvError("mine"), ConfigError("mine")])
def test_our_own_errors_stay(error: Exception) -> None:
    with pytest.raises(type(error), match=r"^mine$"), guarded("lamps", "take a step"):
        raise error


def test_stopping_is_no_fault() -> None:
    with pytest.raises(KeyboardInterrupt), guarded("lamps", "take a step"):
        raise KeyboardInterrupt


def test_what_does_not_close_is_left_behind() -> None:
    lamps = OddLamps("hang")
    assert close(lamps, seconds=0.05) == "lamps did not close within 0.05 s and was left behind"
    lamps.let_go.set()
    assert close(lamps, seconds=60) is None


def test_what_fails_to_close_is_told() -> None:
    class Jammed(LampsEnvironment):
        def close(self) -> None:
            raise OSError("jammed")

    assert close(Jammed()) == "lamps failed to close: OSError: jammed"
