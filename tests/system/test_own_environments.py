"""The environment in the documentation keeps the contract and is played as it stands there."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from pytest_examples import find_examples

PAGE = Path(__file__).parents[2] / "docs" / "environments.md"


def test_the_documented_environment_is_checked_and_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module, program = [one.source for one in find_examples(PAGE) if one.prefix.startswith("python")]
    (tmp_path / "meeting.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        exec(compile(program, str(PAGE), "exec"), {"__name__": "__main__"})
    finally:
        sys.modules.pop("meeting", None)
    episodes = ast.literal_eval(capsys.readouterr().out)
    assert len(episodes) == 3
    assert all(reward > 0 and length < 20 and error is None for reward, length, error in episodes)
