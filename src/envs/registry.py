"""Environments and datasets by name. A module is imported when something of it is asked for, not before.

Packages add names with entry points of the groups `textgrad_agents.environments`, `textgrad_agents.datasets` and
`textgrad_agents.multi_agent_environments`.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from textgrad_agents.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from envs.base import MultiAgentEnvironment

T = TypeVar("T")
Factory: TypeAlias = "Callable[..., MultiAgentEnvironment]"
Place: TypeAlias = Callable[..., Any] | str | tuple[str, str]


class Registry(dict[str, Place]):
    """Classes by name: the class itself, or where it is, as ``"module:Class"`` or ``("module", "Class")``.

    Args:
        what: what is registered here, for messages.
        how: how one is made by its name, for messages.
        group: the group of entry points that add names.
        places: the first names.
    """

    def __init__(self, what: str, how: str, group: str, places: Mapping[str, Place]) -> None:
        super().__init__(places)
        self.what = what
        self.how = how
        self.group = group

    def places(self) -> dict[str, str]:
        """Every known name, sorted, and where it leads: those set here, and those of installed packages."""
        found = {name: entry.value for name, entry in _entry_points(self.group).items()}
        return dict(sorted((found | {name: _written(place) for name, place in self.items()}).items()))

    def names(self) -> tuple[str, ...]:
        """Every known name, sorted."""
        return tuple(self.places())

    def find(self, name: str) -> Callable[..., Any]:
        """The class of a name; ``module:Class`` needs no name.

        Raises:
            ConfigError: the name is unknown, or what it leads to cannot be imported.
        """
        if name in self:
            place = self[name]
        elif name in _entry_points(self.group):
            place = _entry_points(self.group)[name].value
        elif ":" in name:
            place = name
        else:
            raise ConfigError(f"no {self.what} is called {name!r}; {self._hint(name)}")
        return place if callable(place) else _load(f"{self.what} {name!r}", place)

    def _hint(self, name: str) -> str:
        for other in ALL:
            if other is not self and name in other.names():
                return f"{other.how} makes the {other.what} of this name"
        near = difflib.get_close_matches(name, self.names(), n=3)
        return f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(self.names())}."


ENV_REGISTRY = Registry(
    "environment of one agent",
    "Environment.from_name",
    "textgrad_agents.environments",
    {
        "calculator": "envs.math_tasks:CalculatorEnv",
        "dummy": "envs.dummy:DummyEnv",
        "hotpotqa": "envs.hotpotqa:HotPotQAEnv",
    },
)
TASK_DATASET_REGISTRY = Registry(
    "dataset",
    "TaskDataset.from_name",
    "textgrad_agents.datasets",
    {
        "arithmetic": "envs.math_tasks:ArithmeticDataset",
        "dummy": "envs.dummy:DummyTaskDataset",
        "gsm8k": "envs.math_tasks:GSM8kDataset",
        "hotpotqa": "envs.hotpotqa:HotPotQADataset",
        "word_problems": "envs.math_tasks:WordProblemDataset",
    },
)
MULTI_AGENT_REGISTRY = Registry(
    "environment of several agents",
    "envs.make",
    "textgrad_agents.multi_agent_environments",
    {
        "lamps": "envs.lamps:LampsEnvironment",
        "math": "envs.math_tasks.exam:MathEnvironment",
        "pettingzoo": "envs.multi_agent.environment:PettingZooEnvironment",
        "pistonball": "envs.pistonball.environment:PistonballEnvironment",
    },
)
ALL = (ENV_REGISTRY, MULTI_AGENT_REGISTRY, TASK_DATASET_REGISTRY)


def register(name: str, factory: Factory | str) -> None:
    """Make an environment of several agents known under a name.

    Args:
        name: the name that `make` takes; its `parameters()` must give the same name.
        factory: a class or function that builds the environment, or where it is, as ``module:attribute``.

    Raises:
        ConfigError: the name is taken by another factory, or `factory` is neither callable nor ``module:attribute``.
    """
    if isinstance(factory, str) and not all(factory.partition(":")):
        raise ConfigError(f'register: a factory is a callable or "module:attribute", not {factory!r}')
    if MULTI_AGENT_REGISTRY.setdefault(name, factory) != factory:
        taken = MULTI_AGENT_REGISTRY[name]
        raise ConfigError(f"register: the name {name!r} is taken by {taken!r}; choose another name")


def names() -> tuple[str, ...]:
    """The known names of environments of several agents, sorted."""
    return MULTI_AGENT_REGISTRY.names()


def make(name: str, **parameters: Any) -> MultiAgentEnvironment:
    """Build an environment of several agents: ``make("pistonball", num_pistons=10)``.

    ``make(**environment.parameters())`` builds an equal one again.

    Raises:
        ConfigError: the name is unknown, or the environment does not take the parameters.
    """
    return build(f"environment {name!r}", MULTI_AGENT_REGISTRY.find(name), parameters)


def build(what: str, factory: Callable[..., T], parameters: Mapping[str, Any]) -> T:
    """Call `factory` with parameters.

    Raises:
        ConfigError: it does not take them.
    """
    signature = inspect.signature(factory)
    try:
        signature.bind(**parameters)
    except TypeError as error:
        takes = ", ".join(signature.parameters) or "no parameters"
        raise ConfigError(f"{what}: {error}; it takes {takes}") from None
    return factory(**parameters)


def _written(place: Place) -> str:
    if callable(place):
        return f"{place.__module__}:{place.__qualname__}"
    return place if isinstance(place, str) else ":".join(place)


def _load(what: str, place: str | tuple[str, str]) -> Callable[..., Any]:
    module, _, attribute = place.partition(":") if isinstance(place, str) else (place[0], "", place[1])
    try:
        return getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise ConfigError(f"{what} is in {module}, which cannot be imported ({error}); install what it needs") from None
    except AttributeError:
        raise ConfigError(f"{what} should be {attribute} in {module}, which has no such name") from None


@cache
def _entry_points(group: str) -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # 15 ms, and most programs never ask

    return {entry.name: entry for entry in entry_points(group=group)}
