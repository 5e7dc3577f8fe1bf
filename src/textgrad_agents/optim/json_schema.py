"""Checking a JSON value against the part of JSON Schema that prompts and tool arguments use.

Known keywords: type, enum, const, properties, required, additionalProperties (true or false), items, minItems,
maxItems, minLength, maxLength, pattern, minimum, maximum, anyOf. Notes such as title and description may stand
anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from textgrad_agents.errors import ConfigError

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "string": lambda value: isinstance(value, str),
}
_NOTES = {"$schema", "default", "description", "examples", "title"}
_KEYWORDS = {
    *("type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items"),
    *("minItems", "maxItems", "minLength", "maxLength", "pattern", "minimum", "maximum"),
}


def check_schema(schema: Mapping[str, Any], where: str = "the schema") -> None:
    """Refuse a schema that says something this module would not check.

    Raises:
        ConfigError: it has an unknown keyword or type.
    """
    if unknown := schema.keys() - _KEYWORDS - _NOTES:
        raise ConfigError(f"{where} uses {sorted(unknown)}, which is not checked; known are {sorted(_KEYWORDS)}")
    if wrong := set(_types(schema)) - _TYPES.keys():
        raise ConfigError(f"{where} names the types {sorted(wrong)}; known are {sorted(_TYPES)}")
    if not isinstance(schema.get("additionalProperties", True), bool):
        raise ConfigError(f"additionalProperties of {where} must be true or false")
    for name, inner in schema.get("properties", {}).items():
        check_schema(inner, f"{where}, property {name!r}")
    for inner in schema.get("anyOf", ()):
        check_schema(inner, f"{where}, anyOf")
    if "items" in schema:
        check_schema(schema["items"], f"{where}, items")


def schema_violation(value: Any, schema: Mapping[str, Any]) -> str | None:
    """The first way in which `value` does not follow `schema`, or None."""
    return next(_violations(value, schema, "it"), None)


def _violations(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    types = _types(schema)
    if types and not any(_TYPES[one](value) for one in types):
        yield f"{where} must be of type {' or '.join(types)}, not {_shown(value)}"
        return
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        yield f"{where} must be one of {schema['enum']}, not {_shown(value)}"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{where} must be {schema['const']!r}, not {_shown(value)}"
    if "anyOf" in schema and all(schema_violation(value, one) for one in schema["anyOf"]):
        yield f"{where} follows none of the {len(schema['anyOf'])} alternatives: {_shown(value)}"
    if isinstance(value, str):
        yield from _outside(len(value), schema, "minLength", "maxLength", f"the length of {where}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where} must match {schema['pattern']!r}, not {_shown(value)}"
    elif isinstance(value, list):
        items = cast("list[Any]", value)
        yield from _outside(len(items), schema, "minItems", "maxItems", f"the number of items of {where}")
        for index, item in enumerate(items if "items" in schema else ()):
            yield from _violations(item, schema["items"], f"{where}[{index}]")
    elif isinstance(value, dict):
        yield from _object_violations(cast("dict[str, Any]", value), schema, where)
    elif _TYPES["number"](value):
        yield from _outside(value, schema, "minimum", "maximum", where)


def _object_violations(value: dict[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    if missing := [name for name in schema.get("required", ()) if name not in value]:
        yield f"{where} lacks {missing}"
    extra = [name for name in value if name not in properties]
    if extra and schema.get("additionalProperties") is False:
        yield f"{where} has the unknown fields {extra}"
    for name, inner in properties.items():
        if name in value:
            yield from _violations(value[name], inner, f"{where}.{name}")


def _outside(size: float, schema: Mapping[str, Any], low: str, high: str, what: str) -> Iterator[str]:
    if low in schema and size < schema[low]:
        yield f"{what} must be at least {schema[low]}, it is {size}"
    if high in schema and size > schema[high]:
        yield f"{what} must be at most {schema[high]}, it is {size}"


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _same(left: Any, right: Any) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
