"""Tool calls of the built-in engine: the first tool on offer, with the plainest arguments that its schema allows.

It is no choice and no thought. It lets a program with tools run before a model is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from textgrad_agents.errors import EngineRefusal
from textgrad_agents.messages import ToolCall
from textgrad_agents.seeds import text_hash

_WORDS = "text"


def plainest_call(tools: Sequence[Mapping[str, Any]], choice: str | None, place: str) -> ToolCall:
    """A call that is valid by the schemas.

    Args:
        tools: schemas in the wire form.
        choice: name of the tool that must be called, or a word that names none.
        place: what the call's id is derived from.

    Raises:
        EngineRefusal: a schema asks for something that cannot be made without a thought.
    """
    functions = [cast("Mapping[str, Any]", tool["function"]) for tool in tools]
    function = next((one for one in functions if one["name"] == choice), functions[0])
    schema: Mapping[str, Any] = function.get("parameters") or {}
    properties: Mapping[str, Any] = schema.get("properties") or {}
    defined: Mapping[str, Any] = schema.get("$defs") or {}
    arguments = {name: _plainest(properties.get(name, {}), defined) for name in schema.get("required", ())}
    return ToolCall.from_name(str(function["name"]), id=text_hash(place)[:9], **arguments)


def _plainest(schema: Mapping[str, Any], defined: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _plainest(defined[str(schema["$ref"]).rpartition("/")[2]], defined)
    if "default" in schema:
        return schema["default"]
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _plainest(schema[key][0], defined)
    match schema.get("type", "string"):
        case "string" if "pattern" not in schema:
            return (_WORDS * (1 + schema.get("minLength", 0) // len(_WORDS)))[: schema.get("maxLength")]
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return False
        case "null":
            return None
        case "array":
            fixed = [_plainest(one, defined) for one in schema.get("prefixItems", ())]
            more = schema.get("minItems", 0) - len(fixed)
            return fixed + [_plainest(schema.get("items") or {}, defined) for _ in range(more)]
        case "object":
            properties: Mapping[str, Any] = schema.get("properties") or {}
            return {name: _plainest(properties.get(name, {}), defined) for name in schema.get("required", ())}
        case _:
            raise EngineRefusal(
                f"rulebook is no language model and cannot make an argument that follows {dict(schema)}; name a model"
            )


def _number(schema: Mapping[str, Any]) -> int | float:
    """The number nearest to 1 that the schema allows."""
    least, most = schema.get("minimum", 1), schema.get("maximum", 1)
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    value = min(max(1, least), most) if most >= least else least
    if above is not None and value <= above:
        value = above + 1
    if below is not None and value >= below:
        value = below - 1
    return value
