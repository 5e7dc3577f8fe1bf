"""Calling a user's function from async code, and finding the parameters that it uses."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias, cast

from textgrad_agents.errors import ConfigError
from textgrad_agents.optim.base import together
from textgrad_agents.variables.graph import topological_order
from textgrad_agents.variables.modes import train_mode
from textgrad_agents.variables.variable import Variable

Program: TypeAlias = Callable[[Any], Any]


class Runner:
    """Calls functions: async ones on the loop that runs here, others in threads of their own.

    Args:
        concurrency: most threads.
    """

    def __init__(self, concurrency: int) -> None:
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="textgrad-agents-program")

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function`, and wait for what it returns if that is still to come."""
        if inspect.iscoroutinefunction(function):
            result = await function(*args)
        else:
            run = partial(contextvars.copy_context().run, function, *args)
            result = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        return await result if inspect.isawaitable(result) else result

    def close(self) -> None:
        """Give up the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def find_parameters(program: Program, examples: Sequence[Any], runner: Runner) -> list[Variable[Any]]:
    """The text parameters of a program: those that it names, or those that its results on two examples share.

    Raises:
        ConfigError: there are none.
    """
    found = _named(program)
    if not found and len(examples) > 1:
        with train_mode():
            results = await together(runner.call(program, example) for example in examples[:2])
        first, second = (_leaves(result) for result in results)
        found = [one for one in first if any(one is other for other in second)]
    if not found:
        raise ConfigError(
            "the program's parameters could not be found (results on two examples share no Variable that holds a text "
            "and requires a gradient); pass parameters=[…]"
        )
    return found


def names_of(parameters: Sequence[Variable[Any]]) -> list[str]:
    """A name for each parameter: its own or its role, numbered where several are called the same."""
    names: list[str] = []
    for one in parameters:
        wanted = one.name or one.role_description
        name, number = wanted, 2
        while name in names:
            name, number = f"{wanted} {number}", number + 1
        names.append(name)
    return names


def _named(program: Program) -> list[Variable[Any]]:
    parameters = getattr(program, "parameters", None)
    if not callable(parameters):
        return []
    found: Any = parameters()
    return _texts(cast("Mapping[str, Any]", found).values() if isinstance(found, Mapping) else found)


def _leaves(result: Any) -> list[Variable[Any]]:
    if not isinstance(result, Variable):
        return []
    return _texts(one for one in topological_order(cast("Variable[Any]", result)) if one.is_leaf)


def _texts(found: Iterable[Any]) -> list[Variable[Any]]:
    variables = (cast("Variable[Any]", one) for one in found if isinstance(one, Variable))
    return [one for one in variables if one.requires_grad and isinstance(one.value, str)]
