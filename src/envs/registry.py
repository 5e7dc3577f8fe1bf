"""Environments by name. An environment's module is imported when it is made, not before."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from typing import Any

from envs.base import MultiAgentEnvironment
from textgrad_agents.errors import ConfigError

Factory = Callable[..., MultiAgentEnvironment]

_factories: dict[str, Factory | str] = {
    "pistonball": "envs.pistonball.environment:PistonballEnvironment",
    "lamps": "envs.lamps:LampsEnvironment",
}


def register(name: str, factory: Factory | str) -> None:
    """Make an environment known under a name.

    Args:
        name: the name that `make` takes; its `parameters()` must give the same name.
        factory: a class or function that builds the environment, or where it is, as ``module:attribute``.

    Raises:
        ConfigError: the name is taken by another factory, or `factory` is neither callable nor ``module:attribute``.
    """
    if isinstance(factory, str) and not all(factory.partition(":")):
        raise ConfigError(f'register: a factory is a callable or "module:attribute", not {factory!r}')
    if _factories.setdefault(name, factory) != factory:
        raise ConfigError(f"register: the name {name!r} is taken by {_factories[name]!r}; choose another name")


def names() -> tuple[str, ...]:
    """The known names, sorted."""
    return tuple(sorted(_factories))


def make(name: str, **parameters: Any) -> MultiAgentEnvironment:
    """Build an environment: ``make("pistonball", num_pistons=10)``.

    ``make(**environment.parameters())`` builds an equal one again.

    Raises:
        ConfigError: the name is unknown, or the environment does not take the parameters.
    """
    factory = _factories.get(name)
    if factory is None:
        near = difflib.get_close_matches(name, _factories, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names())}."
        raise ConfigError(f"no environment is called {name!r}; {hint} Others are added with envs.register")
    build = _resolve(factory)
    signature = inspect.signature(build)
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise ConfigError(f"environment {name!r}: {error}; it takes {', '.join(signature.parameters)}") from None
    return build(**parameters)


def _resolve(factory: Factory | str) -> Factory:
    if not isinstance(factory, str):
        return factory
    module, _, attribute = factory.partition(":")
    return getattr(importlib.import_module(module), attribute)
