"""Pytest plugin under which the test files of other projects run against this one.

Their imports lead to the packages in ``aliases/``. What they import besides and is not here (clients of providers, and
parts that have no counterpart) is replaced by stand-ins, which mean nothing: a test that needs one fails. How the tests
went is written as JSON to the file that UPSTREAM_REPORT names.
"""

from __future__ import annotations

import asyncio
import importlib.machinery
import inspect
import json
import os
import random
import sys
import unittest.mock
from abc import ABC
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

STAND_INS = ("aviary", "fastapi", "httpx", "httpx_aiohttp", "ldp", "litellm", "lmi", "tenacity", "tree", "vcr")


class _Anything(type):
    """A class that has every attribute."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return stand_in(name)

    def __getitem__(cls, key: object) -> Any:
        return cls

    def __iter__(cls) -> Iterator[Any]:
        return iter(())


def stand_in(name: str) -> Any:
    """A class that can be asked for everything; what it makes can be called, also as a decorator."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if len(args) == 1 and inspect.isfunction(args[0]) else self

    return _Anything(name, (), {"__init__": lambda self, *args, **kwargs: None, "__call__": call})


class StandInFinder:
    """Finds modules of the packages in `STAND_INS` that nothing else finds."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        wanted = name.partition(".")[0] in STAND_INS
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if wanted else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        def attribute(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return stand_in(name)

        vars(module)["__getattr__"] = attribute
        if module.__name__ == "litellm":
            vars(module).update(ModelResponse=ModelResponse, Choices=Choices)
        elif module.__name__ == "lmi":
            vars(module).update(EmbeddingModel=EmbeddingModel)


class ReplyMessage(BaseModel, extra="allow"):
    """The message of a chat completion."""


class Choices(BaseModel):
    """One of the replies of a chat completion."""

    message: ReplyMessage
    finish_reason: str = "stop"


class ModelResponse(BaseModel):
    """A chat completion."""

    choices: list[Choices]


class EmbeddingModel(ABC):  # noqa: B024 (for its hook)
    """Embeddings by name."""

    @staticmethod
    def from_name(name: str) -> Any:
        from textgrad_agents.memory import HashingEmbedding

        return HashingEmbedding()

    @classmethod
    def __subclasshook__(cls, kind: type) -> bool:
        return hasattr(kind, "embed_documents")


RUNNER = pytest.StashKey[asyncio.Runner]()


def runner_of(node: pytest.Item) -> asyncio.Runner:
    """The event loop of a test and its fixtures."""
    return node.stash.setdefault(RUNNER, asyncio.Runner())


def async_fixture(function: Callable[[], AsyncIterator[Any]]) -> Any:
    """A fixture from an async generator function without parameters."""

    async def take(values: AsyncIterator[Any]) -> Any:
        return await anext(values, None)

    def fixture(request: pytest.FixtureRequest) -> Iterator[Any]:
        values = function()
        yield runner_of(request.node).run(take(values))
        runner_of(request.node).run(take(values))

    return pytest.fixture(name=function.__name__)(fixture)


class Mocker:
    """Patches for the time of a test."""

    def __init__(self) -> None:
        self.started: list[Any] = []

    def patch(self, target: str, **settings: Any) -> Any:
        patch = unittest.mock.patch(target, **settings)
        self.started.append(patch)
        return patch.start()


@pytest.fixture
def mocker() -> Iterator[Mocker]:
    """What pytest-mock gives, as far as it is used."""
    patches = Mocker()
    yield patches
    for patch in patches.started:
        patch.stop()


def pytest_runtest_setup() -> None:
    """The same chance in every run."""
    random.seed(0)
    np.random.seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    runner_of(pyfuncitem).run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Close the event loop of a test, after its fixtures."""
    if RUNNER in item.stash:
        item.stash[RUNNER].close()


OUTCOMES: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test went; what failed once has failed."""
    if (report.when == "call" or not report.passed) and OUTCOMES.get(report.nodeid) != "failed":
        OUTCOMES[report.nodeid] = report.outcome


def pytest_sessionfinish() -> None:
    """Write the report."""
    Path(os.environ["UPSTREAM_REPORT"]).write_text(json.dumps(OUTCOMES))


asyncio_plugin = ModuleType("pytest_asyncio")
vars(asyncio_plugin)["fixture"] = async_fixture
sys.modules["pytest_asyncio"] = asyncio_plugin
sys.meta_path.append(StandInFinder())  # type: ignore[arg-type]
