"""Environments by name, and an `import envs` that stays light."""

from __future__ import annotations

import subprocess
import sys
from copy import copy
from typing import Any

import pytest

import envs
from envs import registry
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
    assert registry.names() == ("beacons", "lamps", "pistonball")


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
    with pytest.raises(ConfigError, match="known are lamps, pistonball"):
        envs.make("xyz")


def test_unknown_parameters_are_refused_with_those_taken() -> None:
    with pytest.raises(
        ConfigError, match="unexpected keyword argument 'agents'; it takes num_agents, max_cycles, goal"
    ):
        envs.make("lamps", agents=2)


def test_import_is_light() -> None:
    program = (
        "import sys, envs\n"
        "heavy = {'pettingzoo', 'pygame', 'pymunk', 'gymnasium', 'imageio', 'numpy', 'torch', 'PIL'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_facade_is_sorted() -> None:
    assert envs.__all__ == sorted(envs.__all__)
    assert all(hasattr(envs, name) for name in envs.__all__)
