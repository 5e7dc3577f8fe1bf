"""What docs/migrating.md promises: the names exist, the programs run, the extras install what they should."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest
from pytest_examples import find_examples

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "migrating.md"
NAME = re.compile(r"`((?:envs|textgrad_agents|training)(?:\.\w+)+)`")
ROW = re.compile(r"^\| (.+) \| (.+) \|$", re.MULTILINE)


def rows() -> list[tuple[str, str]]:
    return [(left, right) for left, right in ROW.findall(PAGE.read_text()) if "`aviary." in left or "`ldp." in left]


def promised() -> list[str]:
    return sorted({name for _, right in rows() for name in NAME.findall(right)})


def test_there_are_names_to_check() -> None:
    assert len(promised()) > 120


@pytest.mark.parametrize("path", promised())
def test_every_name_exists(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_each_name_is_called_as_before() -> None:
    """Only the imports change."""
    for left, right in rows():
        before = [path.rpartition(".")[2] for path in re.findall(r"`([\w.]+)`", left)]
        assert [path.rpartition(".")[2] for path in NAME.findall(right)] == before


def test_programs_run(capsys: pytest.CaptureFixture[str]) -> None:
    aviary, ldp = [one for one in find_examples(PAGE) if one.prefix == "python"]
    exec(compile(aviary.source, str(PAGE), "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "['7', '5'] 1.0 True"
    assert said[1].endswith("now?")
    exec(compile(ldp.source, str(PAGE), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "1.0 6\n"


def test_the_extras_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (right,) = [right for left, right in ROW.findall(PAGE.read_text()) if "fhaviary" in left]
    for extra in re.findall(r"`(\w+)`", right):
        assert extras[extra] in (["textgrad-agents[view]"], ["textgrad-agents[data]"])


def test_the_entry_points_are_those_of_the_package_that_is_shown() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    package = tomllib.loads((ROOT / "tests" / "plugin_package" / "pyproject.toml").read_text())
    assert tomllib.loads(block)["project"]["entry-points"] == package["project"]["entry-points"]
