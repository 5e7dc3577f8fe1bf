"""How the arguments of a function are named: worked out once, applied fast."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


class Signature:
    """Parameter names of a function.

    Args:
        function: the function; builtins without a signature take what they are given.
        skip_self: leave out the first parameter.
    """

    __slots__ = ("_positional", "_positional_only", "_variadic")

    def __init__(self, function: Callable[..., Any], *, skip_self: bool) -> None:
        try:
            parameters = list(inspect.signature(function).parameters.values())[1 if skip_self else 0 :]
        except (TypeError, ValueError):  # builtins without a signature take what they are given
            parameters = [
                inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
                inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
            ]
        kinds = inspect.Parameter
        self._positional = tuple(
            one.name for one in parameters if one.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
        )
        self._variadic = any(one.kind is kinds.VAR_POSITIONAL for one in parameters)
        self._positional_only = any(one.kind is kinds.POSITIONAL_ONLY for one in parameters)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Split arguments into variadic positional ones and those with a name."""
        count = len(args)
        if not count:
            return (), kwargs
        names = self._positional
        if count <= len(names):
            named = dict(zip(names, args, strict=False))
            if kwargs:
                named = self._merge(named, kwargs)
            return (), named
        if not self._variadic:
            raise TypeError(f"expected at most {len(names)} positional arguments {names}, got {count}")
        return args[len(names) :], self._merge(dict(zip(names, args, strict=False)), kwargs)

    @staticmethod
    def _merge(named: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        twice = named.keys() & kwargs.keys()
        if twice:
            raise TypeError(f"got multiple values for {sorted(twice)}")
        return {**named, **kwargs}

    def call(self, function: Callable[..., Any], rest: list[Any], named: dict[str, Any]) -> Any:
        """Call `function` with arguments as `bind` split them."""
        if not rest and not self._positional_only:
            return function(**named)
        leading = [named[name] for name in self._positional if name in named]
        others = {key: value for key, value in named.items() if key not in self._positional}
        return function(*leading, *rest, **others)
