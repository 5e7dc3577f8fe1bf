"""The state of an environment, built from the class annotation: ``state: MyState`` or ``Environment[MyState]``."""

from __future__ import annotations

import inspect
import typing
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

_UNKNOWN = object()


def build_state(owner: type, root: type) -> Any:
    """A new state for an environment of class `owner`.

    Args:
        owner: the environment's class.
        root: the generic class whose argument is the state's type.

    Raises:
        AttributeError: the class does not say what its state is, or that cannot be built without arguments.
    """
    hint = _state_hint(owner, root)
    if hint is None or hint is NoneType:
        return None
    kind: Any = get_origin(hint) or hint
    reason = "its class names no type for it"
    if hint is not _UNKNOWN:
        reason = f"a {getattr(kind, '__name__', kind)} cannot be built without arguments"
        if isinstance(kind, type):
            try:
                return kind()
            except (TypeError, ValueError) as error:
                reason += f" ({str(error).partition(chr(10))[0]})"
    raise AttributeError(f"{owner.__name__} has no state: {reason}; set self.state in reset()")


def _state_hint(owner: type, root: type) -> Any:
    for kind in owner.__mro__:
        hint = inspect.get_annotations(kind).get("state", _UNKNOWN)
        if isinstance(hint, str):
            hint = _resolved(kind)
        if hint is not _UNKNOWN and not isinstance(hint, TypeVar):
            return hint
        for base in kind.__dict__.get("__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, root) and not isinstance(get_args(base)[0], TypeVar):
                return get_args(base)[0]
    return _UNKNOWN


def _resolved(kind: type) -> Any:
    try:
        return typing.get_type_hints(kind).get("state", _UNKNOWN)
    except NameError:  # a class that is known only where the environment was defined
        return _UNKNOWN
