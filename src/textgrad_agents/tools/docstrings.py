"""What a docstring says of a function and its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from docstring_parser import Docstring, DocstringStyle, parse

from textgrad_agents.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

_END = re.compile(r"\\f|\f")  # as it reads in a raw docstring and in a plain one


def read_docstring(function: Callable[..., Any], name: str, style: DocstringStyle) -> Docstring:
    """The docstring of a function, taken apart.

    Raises:
        ConfigError: it is missing or describes nothing.
    """
    docstring = parse(function.__doc__ or "", style=style)
    if not docstring.description:
        raise ConfigError(f"Missing docstring for function {name}: a tool is described to models by its docstring")
    return docstring


def summary(docstring: Docstring) -> str:
    r"""The description up to ``\f``, which hides the rest of it from models."""
    return _END.split(docstring.description or "", maxsplit=1)[0].strip()


def parameter_texts(docstring: Docstring, *, with_types: bool) -> dict[str, str]:
    """The description of each parameter, behind its documented type if asked for."""
    texts: dict[str, str] = {}
    for parameter in docstring.params:
        text = parameter.description or ""
        shown = f"({parameter.type_name}): {text}" if with_types and parameter.type_name else text
        texts.setdefault(parameter.arg_name, shown)
    return texts


class _Missing(dict[str, Any]):
    """Values by name; a name without a value stands for itself."""

    def __missing__(self, name: str) -> str:
        return f"{{{name}}}"


def partial_format(value: str, **formats: Any) -> str:
    """Fill in the ``{placeholders}`` that have a value and leave the others.

    A text that is no format string, such as one with JSON in it, keeps its braces; names with a value are filled in.
    """
    try:
        return value.format_map(_Missing(formats))
    except (ValueError, LookupError, AttributeError, TypeError):
        return re.sub(r"\{(\w+)\}", lambda found: _fill(found, formats), value)


def _fill(found: re.Match[str], formats: Mapping[str, Any]) -> str:
    return str(formats[found[1]]) if found[1] in formats else found[0]


def wraps_doc_only(wrapped: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator that copies the docstring of `wrapped` and nothing else.

    `functools.wraps` would also give the wrapper the signature of `wrapped`, which may have other parameters.
    """

    def decorate(wrapper: F) -> F:
        wrapper.__doc__ = wrapped.__doc__
        return wrapper

    return decorate
