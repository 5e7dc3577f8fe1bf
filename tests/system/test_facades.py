"""The public names of the three packages are exactly those reviewed in facades.json.

After an intended change, rewrite the list and review the difference: .venv/bin/python tests/system/test_facades.py
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = ["envs", "textgrad_agents", "training"]
REVIEWED = Path(__file__).with_name("facades.json")


@pytest.mark.parametrize("package", PACKAGES)
def test_exports_are_the_reviewed_list(package: str) -> None:
    exported = importlib.import_module(package).__all__
    assert len(exported) == len(set(exported)), "a name is exported twice"
    assert sorted(exported) == json.loads(REVIEWED.read_text())[package]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_export_resolves(package: str) -> None:
    facade = importlib.import_module(package)
    missing = [name for name in facade.__all__ if not hasattr(facade, name)]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_public_is_left_out(package: str) -> None:
    facade = importlib.import_module(package)
    public = {name for name, value in vars(facade).items() if not name.startswith("_") and is_ours(value)}
    assert public <= set(facade.__all__)


def is_ours(value: object) -> bool:
    """Whether a value in a facade's namespace is a re-export, not a submodule or a name the facade works with."""
    home = getattr(value, "__module__", None) or ""
    return not isinstance(value, ModuleType) and home.partition(".")[0] in PACKAGES


def rewrite() -> None:
    exported = {package: sorted(importlib.import_module(package).__all__) for package in PACKAGES}
    REVIEWED.write_text(json.dumps(exported, indent=2) + "\n")


if __name__ == "__main__":
    rewrite()
