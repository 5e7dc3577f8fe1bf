"""`textgrad-agents envs`."""

from __future__ import annotations

import pytest

from envs.registry import ENV_REGISTRY
from training.cli import main


def test_it_lists_what_is_registered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENV_REGISTRY, "far", ("no_such_module", "Env"))
    assert main(["envs"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "│" in line]
    found = {tuple(cell.strip() for cell in row.strip("│ ").split("│")) for row in rows}
    assert {
        ("dummy", "environment of one agent", "envs.dummy:DummyEnv", 'Environment.from_name("dummy")'),
        ("far", "environment of one agent", "no_such_module:Env", 'Environment.from_name("far")'),
        ("dummy", "dataset", "envs.dummy:DummyTaskDataset", 'TaskDataset.from_name("dummy")'),
        ("lamps", "environment of several agents", "envs.lamps:LampsEnvironment", 'envs.make("lamps")'),
    } <= found


def test_it_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["envs", "dummy"])
    assert stop.value.code == 2
    assert "unrecognized arguments: dummy" in capsys.readouterr().err
