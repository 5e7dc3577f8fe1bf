"""Each test starts without a backward engine and without keys; a chat server on loopback for those that want one."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textgrad_agents.compat.textgrad.config import SingletonBackwardEngine
from textgrad_agents.session import Session


@pytest.fixture(autouse=True)
def no_engine_and_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SingletonBackwardEngine(), "engine", None)
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_OPENAI_")) or name.endswith(("_API_KEY", "_proxy", "_PROXY")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


@pytest.fixture
def chat_server() -> Iterator[Any]:
    name = "chat_server"
    if name not in sys.modules:
        path = Path(__file__).parents[2] / "support" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec
        assert spec.loader
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    with sys.modules[name].ChatServer() as server:
        yield server
