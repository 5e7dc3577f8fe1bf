"""Arguments by name: a model passes the key of a value that is kept in the state, instead of the value.

A tool that works on tables, documents or images cannot have them written out by a model. `argref_by_name` lets the
model name what earlier tools returned: ``state.refs`` maps keys to values.
"""

from __future__ import annotations

import secrets
import typing
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import update_wrapper
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Protocol, Union, cast, get_args, get_origin

from docstring_parser import compose, parse
from pydantic import ConfigDict, TypeAdapter, ValidationError

from textgrad_agents.tools.functions import is_coroutine_callable

_AS_IT_IS = ConfigDict(strict=True, arbitrary_types_allowed=True)

KEY_NOTE = "(Pass a string key instead of the full object)"
KEYS_NOTE = "(Pass comma-separated string keys instead of the full object)"


class HasRefs(Protocol):
    """A state that keeps values by key."""

    refs: dict[str, Any]


def argref_by_name(
    fxn_requires_state: bool = False,
    prefix: str = "",
    return_direct: bool = False,
    type_check: bool = False,
    args_to_skip: Collection[str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that lets arguments be given as keys of ``state.refs``, and stores the result under a new key.

    Comma-separated keys stand for a list. A positional argument that is no key is passed as it is, except a text as the
    first one, which is taken for a mistyped key; a keyword argument has to be a key. Each member of a returned list is
    stored under a key of its own. The docstring tells models about the keys.

    Args:
        fxn_requires_state: pass ``state`` on to the function.
        prefix: what new keys begin with, before a hyphen.
        return_direct: return the result as it is instead of storing it.
        type_check: check values against the function's type hints before the call.
        args_to_skip: names of keyword arguments that are never keys.
    """
    skipped = frozenset(args_to_skip or ()) | {"state", "return"}

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def prepare(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any], HasRefs]:
            if "state" not in kwargs:
                raise ValueError(f"{function.__name__} looks arguments up in a state; call it with state=…")
            state: HasRefs = kwargs["state"]
            refs = _refs_of(state)
            values = _positional(args, refs)
            named = {name: value if name in skipped else _named(value, refs) for name, value in kwargs.items()}
            if not fxn_requires_state:
                del named["state"]
            if type_check:
                _check_types(function, values, named)
            return values, named, state

        def finish(result: Any, state: HasRefs) -> Any:
            return result if return_direct else _store(result, state, prefix)

        def call(*args: Any, **kwargs: Any) -> Any:
            values, named, state = prepare(args, kwargs)
            return finish(function(*values, **named), state)

        async def call_async(*args: Any, **kwargs: Any) -> Any:
            values, named, state = prepare(args, kwargs)
            return finish(await cast("Awaitable[Any]", function(*values, **named)), state)

        return _as_tool_function(call_async if is_coroutine_callable(function) else call, function, skipped)

    return decorate


def _refs_of(state: Any) -> dict[str, Any]:
    try:
        return state.refs
    except AttributeError:
        raise AttributeError(
            f"The state object must have a 'refs' attribute to use argref_by_name; {type(state).__name__} has none"
        ) from None


def _positional(args: Iterable[Any], refs: Mapping[str, Any]) -> list[Any]:
    values: list[Any] = []
    for place, arg in enumerate(args):
        found, _ = _look_up(arg, refs)
        if found is None and place == 0 and isinstance(arg, str):
            raise KeyError(f"The key {arg} is not found in state.")
        values += [arg] if found is None else found
    return values


def _named(arg: Any, refs: Mapping[str, Any]) -> Any:
    found, missing = _look_up(arg, refs)
    if found is not None:
        return found if len(found) > 1 else found[0]
    if missing:
        keys = ", ".join(missing)
        raise KeyError(f'The following keys are not present in the current key-value store: "{keys}"')
    raise KeyError(f"Key is not present in the current key-value store: {arg!r}")


def _look_up(arg: Any, refs: Mapping[str, Any]) -> tuple[list[Any] | None, list[str]]:
    """The values that an argument names, or None and, of several keys, those that are missing."""
    try:
        if arg in refs:
            return [refs[arg]], []
    except TypeError:  # a list or an object, which cannot be a key
        return None, []
    keys = [key.strip() for key in arg.split(",")] if isinstance(arg, str) else []
    if len(keys) < 2:
        return None, []
    missing = [key for key in keys if key not in refs]
    return (None, missing) if missing else ([refs[key] for key in keys], [])


def _store(result: Any, state: HasRefs, prefix: str) -> str:
    """Keep a result, or each member of a list, under a new key; the answer names the keys and shows the values."""
    values = cast("list[Any]", result) if isinstance(result, list) else [result]
    lines: list[str] = []
    for value in values:
        key = f"{prefix}-{secrets.token_hex(4)}" if prefix else secrets.token_hex(4)
        state.refs[key] = value
        lines.append(f"{key} ({type(value).__name__}): {value!s}")
    return "\n".join(lines)


def _check_types(function: Callable[..., Any], args: list[Any], kwargs: Mapping[str, Any]) -> None:
    hints = _hints(function)
    values = dict(zip(signature(function).parameters, args, strict=False)) | dict(kwargs)
    wrong = [
        f"- {name}: expected {_type_name(hints[name])}, got {type(value).__name__}"
        for name, value in values.items()
        if name != "state" and name in hints and not _fits(value, hints[name])
    ]
    if wrong:
        raise TypeError("The following arguments have incorrect types:\n" + "\n".join(wrong))


def _fits(value: Any, hint: Any) -> bool:
    try:
        TypeAdapter[Any](hint, config=_AS_IT_IS).validate_python(value)
    except ValidationError:
        return False
    return True


def _as_tool_function(
    wrapper: Callable[..., Any], function: Callable[..., Any], skipped: Collection[str]
) -> Callable[..., Any]:
    """Make a wrapper look like its function, with keys for arguments."""
    update_wrapper(wrapper, function)
    own = function.__annotations__
    wrapper.__annotations__ = {name: hint if name in skipped else str for name, hint in own.items()}
    if function.__doc__:
        wrapper.__doc__ = _note_keys(function.__doc__, _hints(function), skipped)
    setattr(wrapper, "requires_state", True)  # noqa: B010 (an attribute that functions do not declare)
    return wrapper


def _note_keys(doc: str, hints: Mapping[str, Any], skipped: Collection[str]) -> str:
    docstring = parse(doc)
    for parameter in docstring.params:
        if parameter.arg_name in skipped:
            continue
        note, hint = KEY_NOTE, hints.get(parameter.arg_name)
        if parameter.type_name is None and hint is not None:
            parameter.type_name = _type_name(hint)
            if list in (hint, get_origin(hint)):
                note = KEYS_NOTE
        parameter.description = f"{parameter.description or ''} {note}"
    return compose(docstring)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError:  # a type that is known only where the function was defined
        return {name: hint for name, hint in function.__annotations__.items() if not isinstance(hint, str)}


def _type_name(hint: Any) -> str:
    origin = get_origin(hint)
    if hint is NoneType:
        return "None"
    if origin in (Union, UnionType):
        return " | ".join(_type_name(member) for member in get_args(hint))
    if origin is not None:
        return f"{_type_name(origin)}[{', '.join(_type_name(member) for member in get_args(hint))}]"
    return getattr(hint, "__name__", str(hint))
