"""Flags from a settings table: every field of a pydantic model becomes a flag with the field's help and default.

Flags that are not given are not in the result, so that they can override a file without undoing it. An error is one
line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from textgrad_agents.errors import TextgradAgentsError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line on stderr and exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave."""
        fail(f"{message} (see {self.prog} --help)")


def fail(message: object, code: int = 2) -> NoReturn:
    """End the program with one line on stderr."""
    sys.stderr.write(f"error: {' '.join(str(message).split())}\n")
    raise SystemExit(code)


def exit_code(error: TextgradAgentsError | OSError) -> int:
    """Exit code for an error: 2 for what the user gave, 1 for what went wrong while running."""
    return 2 if isinstance(error, ValueError) else 1


def add_model(parser: argparse.ArgumentParser, model: type[BaseModel], *, leave_out: Collection[str] = ()) -> None:
    """Add a flag for each field of `model`.

    A field of models that are told apart by a `name` gives a flag for each of their fields; one of another model takes
    a JSON object.
    """
    for name, field in model.model_fields.items():
        if name in leave_out:
            continue
        types = _alternatives(field.annotation)
        models = [kind for kind in types if isinstance(kind, type) and issubclass(kind, BaseModel)]
        alone = len(models) == len(types)
        if alone and all("name" in kind.model_fields for kind in models):
            for kind in models:
                add_model(parser, kind, leave_out=leave_out)
            continue
        settings: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": _help(field.description, field)}
        if bool in types:
            parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction, **settings)
            continue
        choices = [value for kind in types if get_origin(kind) is Literal for value in get_args(kind)]
        convert = float if float in types else int if int in types else str
        if alone:
            settings["help"] = f"{field.description or ''} (a JSON object, such as {_example(models[0])})".strip()
            parser.add_argument(f"--{name}", type=str, metavar="JSON", **settings)
            continue
        metavar = "{" + ",".join(map(str, choices)) + "}" if choices else convert.__name__.upper()
        parser.add_argument(f"--{name}", type=convert, metavar=metavar, **settings)


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union type without None; other types as they are; annotations are looked through."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return [kind for member in get_args(annotation) for kind in _alternatives(member) if kind is not NoneType]
    if hasattr(annotation, "__metadata__"):
        return _alternatives(annotation.__origin__)
    return [annotation]


def _example(model: type[BaseModel]) -> str:
    """The first number of a model as a JSON object."""
    defaults = {name: field.default for name, field in model.model_fields.items()}
    name = next(name for name, value in defaults.items() if isinstance(value, float))
    return json.dumps({name: defaults[name]})


def _help(description: str | None, field: Any) -> str:
    default = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
    shown = "" if default is PydanticUndefined or default is None else f" (default: {default})"
    return f"{description or ''}{shown}".replace("%", "%%")
