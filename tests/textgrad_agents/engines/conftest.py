"""The loopback server for tests of engines, and an environment without keys."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def load_support(name: str) -> ModuleType:
    """The module `name` of tests/support."""
    if name not in sys.modules:
        path = Path(__file__).parents[2] / "support" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def chat_server() -> Iterator[Any]:
    with load_support("chat_server").ChatServer() as server:
        yield server


@pytest.fixture
def second_server() -> Iterator[Any]:
    with load_support("chat_server").ChatServer() as server:
        yield server


@pytest.fixture
def faults() -> ModuleType:
    """The module of the fault server: ``with faults.faulty(faults.Plan(…)) as (server, url)``."""
    return load_support("fault_server")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or setting of this machine's user reaches a test."""
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name.endswith(("_API_KEY", "_proxy", "_PROXY")):
            monkeypatch.delenv(name)
