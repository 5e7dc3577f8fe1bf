"""Arguments of an op call: Variables anywhere inside them, and copies with something else in their place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from textgrad_agents.variables.call import Input, Path
from textgrad_agents.variables.gradient import like_sequence
from textgrad_agents.variables.variable import Variable


def find_variables(value: Any, path: Path, found: list[Input]) -> None:
    """Collect the Variables in a value and inside nested lists, tuples and dicts."""
    if isinstance(value, Variable):
        found.append((path, cast("Variable[Any]", value)))
    elif isinstance(value, dict):
        for key, one in cast("dict[Any, Any]", value).items():
            find_variables(one, (*path, key), found)
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(cast("list[Any] | tuple[Any, ...]", value)):
            find_variables(one, (*path, index), found)


def copied(value: Any, instead: Callable[[Variable[Any]], Any]) -> Any:
    """The value with something else in the place of each Variable.

    Lists and dicts are copied, so that what the caller does to them afterwards changes neither a forward that has yet
    to run nor the record of one that has.
    """
    if isinstance(value, Variable):
        return instead(cast("Variable[Any]", value))
    if isinstance(value, dict):
        tree = cast("dict[Any, Any]", value)
        copy = {key: copied(one, instead) for key, one in tree.items()}
        return copy if type(tree) is dict or any(copy[key] is not one for key, one in tree.items()) else tree
    if isinstance(value, (list, tuple)):
        items = cast("list[Any] | tuple[Any, ...]", value)
        copies = [copied(one, instead) for one in items]
        if type(items) is list or any(a is not b for a, b in zip(copies, items, strict=True)):
            return like_sequence(items, copies)
    return cast("Any", value)


def value_if_there(variable: Variable[Any]) -> Any:
    """The value, or the Variable itself while its value is being computed, or if that failed."""
    return variable.value if variable.is_there else variable


def value_of(variable: Variable[Any]) -> Any:
    """The value."""
    return variable.value
