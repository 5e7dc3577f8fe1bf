"""Environments by name, and an `import envs` that stays light."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest

import envs
from envs import DummyEnv, Environment, registry
from envs.lamps import LampsEnvironment
from textgrad_agents.errors import ConfigError


@pytest.fixture
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MULTI_AGENT_REGISTRY", copy(registry.MULTI_AGENT_REGISTRY))


def test_makes_by_name() -> None:
    environment = envs.make("lamps", num_agents=3)
    assert isinstance(environment, LampsEnvironment)
    assert environment.agents == ("keeper_0", "keeper_1", "keeper_2")


@pytest.mark.usefixtures("own_names")
@pytest.mark.parametrize("factory", [LampsEnvironment, "envs.lamps:LampsEnvironment"])
def test_registers_classes_and_places(factory: Any) -> None:
    envs.register("beacons", factory)
    envs.register("beacons", factory)  # the same again is no conflict
    assert isinstance(envs.make("beacons"), LampsEnvironment)
    assert registry.names() == ("beacons", "lamps", "math", "pettingzoo", "pistonball")


@pytest.mark.usefixtures("own_names")
def test_refuses_a_name_that_is_taken() -> None:
    with pytest.raises(ConfigError, match="'lamps' is taken"):
        envs.register("lamps", "elsewhere:Lamps")


@pytest.mark.parametrize("factory", ["", "module", ":attribute", "module:"])
def test_refuses_a_place_without_module_or_attribute(factory: str) -> None:
    with pytest.raises(ConfigError, match="module:attribute"):
        envs.register("new", factory)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'pistonbal'; did you mean pistonball"):
        envs.make("pistonbal")
    with pytest.raises(ConfigError, match="known are lamps, math, pettingzoo, pistonball"):
        envs.make("xyz")


def test_unknown_parameters_are_refused_with_those_taken() -> None:
    with pytest.raises(
        ConfigError, match="unexpected keyword argument 'agents'; it takes num_agents, max_cycles, goal"
    ):
        envs.make("lamps", agents=2)


def test_import_is_light() -> None:
    program = (
        "import sys, envs\n"
        "heavy = {'pettingzoo', 'pygame', 'pymunk', 'gymnasium', 'imageio', 'torch', 'PIL'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_facade_is_sorted() -> None:
    assert envs.__all__ == sorted(envs.__all__)
    assert all(hasattr(envs, name) for name in envs.__all__)


class TestRegistry:
    @pytest.fixture
    def things(self) -> registry.Registry:
        return registry.Registry("thing", "make_thing", "a.group.of.nobody", {"dummy": "envs.dummy:DummyEnv"})

    @pytest.mark.parametrize("place", ["envs.dummy:DummyEnv", ("envs.dummy", "DummyEnv"), DummyEnv])
    def test_a_name_leads_to_a_class(self, things: registry.Registry, place: Any) -> None:
        things["mine"] = place
        assert things.find("mine") is DummyEnv
        assert things.names() == ("dummy", "mine")
        assert things.places()["mine"] == "envs.dummy:DummyEnv"

    def test_a_name_may_be_given_anew(self, things: registry.Registry) -> None:
        things["dummy"] = LampsEnvironment
        assert things.find("dummy") is LampsEnvironment

    def test_nothing_is_imported_before_it_is_asked_for(self, things: registry.Registry) -> None:
        things["far"] = "no_such_module:Thing"
        assert "far" in things.names()
        with pytest.raises(ConfigError, match="thing 'far' is in no_such_module, which cannot be imported"):
            things.find("far")


PACKAGE = """
from envs import Environment

class TeaEnv(Environment[None]):
    async def reset(self):
        return [], []

    async def step(self, action):
        return [], 0.0, True, False
"""

ENTRY_POINTS = """
[textgrad_agents.environments]
tea = tea_house:TeaEnv
dummy = tea_house:TeaEnv

[textgrad_agents.datasets]
teas = tea_house:Gone
"""


@pytest.fixture
def tea_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package that offers environments."""
    (tmp_path / "tea_house.py").write_text(PACKAGE)
    info = tmp_path / "tea_house-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tea-house\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._entry_points.cache_clear()
    yield
    registry._entry_points.cache_clear()
    sys.modules.pop("tea_house", None)


@pytest.mark.usefixtures("tea_house")
def test_installed_packages_add_names() -> None:
    assert "tea" in Environment.available()
    assert type(Environment.from_name("tea")).__name__ == "TeaEnv"
    assert isinstance(Environment.from_name("dummy"), DummyEnv), "own names go first"
    assert registry.TASK_DATASET_REGISTRY.places()["teas"] == "tea_house:Gone"
    with pytest.raises(ConfigError, match="dataset 'teas' should be Gone in tea_house, which has no such name"):
        registry.TASK_DATASET_REGISTRY.find("teas")
