"""What environments raise becomes an EnvError; what does not close is left behind."""

from __future__ import annotations

import pytest
from odd_lamps import OddLamps

from envs import faults
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


def test_what_does_not_close_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    lamps = OddLamps("hang")
    monkeypatch.setattr(faults, "CLOSING_SECONDS", 0.05)
    assert close(lamps) == "lamps did not close within 0.05 s and was left behind"
    lamps.let_go.set()
    monkeypatch.setattr(faults, "CLOSING_SECONDS", 60)
    assert close(lamps) is None


def test_what_fails_to_close_is_told() -> None:
    class Jammed(LampsEnvironment):
        def close(self) -> None:
            raise OSError("jammed")

    assert close(Jammed()) == "lamps failed to close: OSError: jammed"
