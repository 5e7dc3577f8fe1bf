"""The tests of the projects that this one takes over from, run from checkouts of theirs.

Nothing of theirs is kept here but the list of tests that pass, in ``expected/``. To run them, name a checkout::

    git clone https://github.com/Future-House/aviary && git -C aviary checkout 826577f
    git clone https://github.com/Future-House/ldp && git -C ldp checkout f0a29f1
    AVIARY_TESTS=aviary LDP_TESTS=ldp python -m pytest tests/adapters

After an intended change, rewrite the list and review the difference::

    AVIARY_TESTS=aviary LDP_TESTS=ldp python tests/adapters/test_upstream.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROJECTS = {
    "aviary": ("AVIARY_TESTS", ["tests", "packages/gsm8k/tests", "packages/hotpotqa/tests"]),
    "ldp": ("LDP_TESTS", ["tests"]),
}
"""The variable that names the checkout, and the folders with tests in it."""
LEAST = {"aviary": 100, "ldp": 90}
"""More tests than these must be expected, or the list is damaged."""


def passed_tests(checkout: Path, folders: list[str]) -> tuple[set[str], str]:
    """The tests that pass without a model and without network, and what pytest printed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        places = [HERE / "aliases", HERE, ROOT / "src", checkout]
        environment = os.environ | {
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join(map(str, places)),
            "UPSTREAM_REPORT": str(report),
        }
        options = ["-c", HERE / "upstream.ini", "--rootdir", checkout, "-p", "upstream", "-p", "no:cacheprovider"]
        options += ["--continue-on-collection-errors"]
        command = [sys.executable, "-m", "pytest", *options, "-q", "-m", "not vcr", *folders]
        done = subprocess.run(
            [str(part) for part in command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
        )
        if not report.exists():
            pytest.fail(f"the tests could not be run:\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
        outcomes = json.loads(report.read_text())
    return {test for test, outcome in outcomes.items() if outcome == "passed"}, done.stdout


def checkout_of(variable: str) -> Path:
    """The folder of a checkout; the variable may name it or the tests in it."""
    named = Path(os.environ[variable]).resolve()
    return named if (named / "tests").is_dir() else named.parent


def expected_tests(project: str) -> set[str]:
    return set((HERE / "expected" / f"{project}.txt").read_text().splitlines())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("project", PROJECTS)
def test_no_test_is_lost(project: str) -> None:
    variable, folders = PROJECTS[project]
    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no checkout of the repository")
    expected = expected_tests(project)
    assert len(expected) > LEAST[project]
    passed, output = passed_tests(checkout_of(variable), folders)
    lost = sorted(expected - passed)
    assert not lost, "\n".join([*lost, output[-5000:]])


def rewrite() -> None:
    for project, (variable, folders) in PROJECTS.items():
        if os.environ.get(variable):
            passed, _ = passed_tests(checkout_of(variable), folders)
            target = HERE / "expected" / f"{project}.txt"
            target.parent.mkdir(exist_ok=True)
            target.write_text("".join(f"{test}\n" for test in sorted(passed)))


if __name__ == "__main__":
    rewrite()
