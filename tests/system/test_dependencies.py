"""pyproject.toml declares what the code imports, requires nothing that it does not, and constraints.txt pins it."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = {"envs", "textgrad_agents", "training"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def normalized(requirement: str) -> str:
    """The distribution's name in a requirement, in the form that compares equal."""
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def imported_distributions() -> set[str]:
    """The distributions behind every import statement of the source, those inside functions too."""
    owners = importlib.metadata.packages_distributions()
    modules: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                modules.add(node.module)
    roots = {module.partition(".")[0] for module in modules} - OURS - sys.stdlib_module_names
    return {normalized(owners.get(root, [root])[0]) for root in roots}


def test_every_import_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    declared = {normalized(line) for lines in (PROJECT["dependencies"], *extras.values()) for line in lines}
    brought_along = {"gymnasium", "httpx2", "pydantic-core", "pygame-ce", "pymunk"}  # by openai, pettingzoo, pydantic
    assert imported_distributions() <= declared | brought_along


def test_every_core_dependency_is_imported() -> None:
    assert {normalized(line) for line in PROJECT["dependencies"]} <= imported_distributions()


def test_the_demo_and_the_tests_install_pinned_versions_only() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    pinned = {normalized(line) for line in lines}
    extras = PROJECT["optional-dependencies"]
    needed = [PROJECT["dependencies"], *(extras[name] for name in ("dev", "envs", "plot", "rl", "view"))]
    assert {normalized(line) for lines in needed for line in lines} <= pinned | {"textgrad-agents"}
