"""The state of an environment, built from the class annotation: ``state: MyState`` or ``Environment[MyState]``."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin


def build_state(owner: type, root: type) -> Any:
    """A new state for an environment of class `owner`.

    Args:
        owner: the environment's class.
        root: the generic class whose argument is the state's type.

    Raises:
        AttributeError: the class does not say what its state is, or that cannot be built without arguments.
    """
    named = (hint for hint in _hints(owner, root) if hint is not Any and not isinstance(hint, TypeVar))
    hint = next(named, Any)
    if hint is None or hint is NoneType:
        return None
    kind: Any = get_origin(hint) or hint
    if kind is Any:
        reason = "its class names no type for it"
    else:
        reason = f"a {getattr(kind, '__name__', kind)} cannot be built without arguments"
        if isinstance(kind, type):
            try:
                return kind()
            except (TypeError, ValueError) as error:
                reason += f" ({str(error).partition(chr(10))[0]})"
    raise AttributeError(f"{owner.__name__} has no state: {reason}; set self.state in reset()")


def _hints(owner: type, root: type) -> Iterator[Any]:
    """What a class and those above it say of their state, the nearest first."""
    for kind in owner.__mro__:
        if "state" in inspect.get_annotations(kind):
            yield _annotation(kind)
        for base in kind.__dict__.get("__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, root):
                yield get_args(base)[0]


def _annotation(kind: type) -> Any:
    try:
        return typing.get_type_hints(kind)["state"]
    except NameError:  # a class that is known only where the environment was defined
        return Any
