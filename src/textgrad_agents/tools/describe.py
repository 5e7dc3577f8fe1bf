"""A tool in words: as a manual page, or as XML."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast
from xml.sax.saxutils import escape

_XML_NAME = re.compile(r"[^\W\d][\w.-]*")
_QUOTES = {'"': "&quot;", "'": "&apos;"}
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def resolve_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without its outermost ``allOf`` or ``anyOf``; the types of a union are joined by ``|``."""
    key = next((key for key in ("allOf", "anyOf") if key in schema), None)
    if key is None:
        return dict(schema)
    members = [resolve_schema(member) for member in schema[key]]
    merged: dict[str, Any] = {}
    if key == "allOf":
        for member in members:
            merged |= member
    else:
        for field, joint in (("type", " | "), ("description", " / ")):
            said = [str(member[field]) for member in members if field in member]
            if said:
                merged[field] = joint.join(said)
    return merged | {name: value for name, value in schema.items() if name != key}


def manual_page(name: str, description: str, properties: Mapping[str, Mapping[str, Any]]) -> str:
    """Name, synopsis, description and parameters, one after the other."""
    resolved = {parameter: resolve_schema(schema) for parameter, schema in properties.items()}
    types = {parameter: schema.get("type", "unknown") for parameter, schema in resolved.items()}
    synopsis = ", ".join(f"{kind} {parameter}" for parameter, kind in types.items())
    about = "\n".join(line and f"    {line}" for line in description.split("\n"))
    parameters = "\n".join(
        f"    {parameter} ({types[parameter]}): {schema.get('description', 'No description provided.')}"
        for parameter, schema in resolved.items()
    )
    return f"NAME: {name}\n\nSYNOPSIS:\n    {name}({synopsis})\n\nDESCRIPTION:\n{about}\n\nPARAMETERS:\n{parameters}\n"


def to_xml(name: str, value: Any) -> str:
    """A JSON-like value as an XML element; members of a list are called ``item``."""
    if _XML_NAME.fullmatch(name):
        opening = closing = name
    elif _XML_NAME.fullmatch(name.replace(" ", "_")):
        opening = closing = name.replace(" ", "_")
    else:
        opening, closing = f'key name="{_escaped(name)}"', "key"
    return f"<{opening}>{_inner(value)}</{closing}>"


def _inner(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(to_xml(str(key), member) for key, member in cast("Mapping[Any, Any]", value).items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(to_xml("item", member) for member in cast("Sequence[Any]", value))
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else _escaped(str(value))


def _escaped(text: str) -> str:
    return escape(_NOT_IN_XML.sub("", text), _QUOTES)
