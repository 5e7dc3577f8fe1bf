"""A function as a model sees it: the JSON schema of its parameters, and the check of arguments against it."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from types import NoneType, SimpleNamespace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError

from textgrad_agents.errors import ConfigError, ToolCallError
from textgrad_agents.tools.docstrings import partial_format
from textgrad_agents.validation import explain

STATE = "state"  # a parameter of this name is given by the environment and hidden from models

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def is_coroutine_callable(obj: object) -> bool:
    """Whether calling `obj` gives something to await."""
    return inspect.iscoroutinefunction(obj) or (callable(obj) and inspect.iscoroutinefunction(type(obj).__call__))


def takes_state(function: Callable[..., Any]) -> bool:
    """Whether the environment has to pass its state: a parameter is called so, or the function says so of itself."""
    return hasattr(function, "requires_state") or STATE in inspect.signature(function).parameters


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parameters of a tool that a model fills in.

    Attributes:
        model: a pydantic model with a field per parameter; fields have neutral names and the parameter's as alias,
            because a parameter may have any name.
        parameters: parameter names by field name.
    """

    model: type[BaseModel]
    parameters: Mapping[str, str]

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        name: str,
        texts: Mapping[str, str],
        *,
        allow_empty: bool,
        formats: Mapping[str, Any],
    ) -> Arguments:
        """Read the signature of a function.

        Args:
            function: the function.
            name: the tool's name, for messages.
            texts: what is said about the parameters.
            allow_empty: accept parameters of which nothing is said.
            formats: values of placeholders in the texts.

        Raises:
            ConfigError: a parameter is not described, or its type cannot be put into a JSON schema.
        """
        fields: dict[str, Any] = {}
        parameters: dict[str, str] = {}
        signature = inspect.signature(function).parameters.values()
        for parameter in signature:
            if parameter.name == STATE or parameter.kind in _VARIADIC:
                continue
            text = texts.get(parameter.name)
            if not text and not allow_empty:
                raise ConfigError(
                    f"Missing description for parameter {parameter.name} of tool {name}: describe it in the docstring, "
                    "or pass allow_empty_param_descriptions=True"
                )
            settings: dict[str, Any] = {"alias": parameter.name}
            if text:
                settings["description"] = partial_format(text, **formats)
            if parameter.default is not inspect.Parameter.empty:
                settings["default"] = parameter.default
            field = f"field_{len(fields)}"
            fields[field] = (_annotation(function, name, parameter), Field(**settings))
            parameters[field] = parameter.name
        open_ended = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in signature)
        config = ConfigDict(extra="allow" if open_ended else "forbid", coerce_numbers_to_str=True)
        try:
            return cls(create_model("Arguments", __config__=config, **fields), parameters)
        except (PydanticUserError, TypeError, NameError) as error:
            raise _no_schema(name, error) from None

    def schema(self, name: str) -> dict[str, Any]:
        """The parameters as a JSON schema.

        Raises:
            ConfigError: a type has none.
        """
        try:
            schema = self.model.model_json_schema()
        except PydanticUserError as error:
            raise _no_schema(name, error) from None
        for of_the_model in ("title", "additionalProperties"):
            schema.pop(of_the_model, None)
        schema.setdefault("required", [])  # one provider insists on it
        return schema

    def read(self, name: str, arguments: Mapping[str, Any], given: Set[str]) -> dict[str, Any]:
        """The arguments of a call, checked and converted to the parameters' types.

        Args:
            name: the tool's name, for messages.
            arguments: what the model sent.
            given: what the environment passes. If parameters are among it, the model's arguments are not checked.

        Raises:
            ToolCallError: an argument is missing, unknown or of another type.
        """
        if given and not given.isdisjoint(self.parameters.values()):
            return {parameter: value for parameter, value in arguments.items() if parameter not in given}
        try:
            read = self.model.model_validate(arguments)
        except ValidationError as error:
            raise ToolCallError(f"{name}: {explain(error, fields=tuple(self.parameters.values()))}") from None
        values, names = read.__dict__, self.parameters
        given_fields = read.model_fields_set
        named = {name: values[field] for field, name in names.items() if field in given_fields}
        return named | read.model_extra if read.model_extra else named


def _annotation(function: Callable[..., Any], name: str, parameter: inspect.Parameter) -> Any:
    """The type of a parameter; what the function itself says goes before what a function that it wraps says."""
    own: Mapping[str, Any] = getattr(function, "__annotations__", {})
    annotation = own.get(parameter.name) or parameter.annotation
    if annotation is inspect.Parameter.empty:
        return Any
    if not isinstance(annotation, str):
        return NoneType if annotation is None else annotation
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        holder = SimpleNamespace(__annotations__={parameter.name: annotation})
        return typing.get_type_hints(holder, globalns=scope, include_extras=True)[parameter.name]
    except (AttributeError, NameError, SyntaxError, TypeError) as error:
        raise ConfigError(
            f"tool {name}: the type {annotation!r} of parameter {parameter.name} is not known where the function was "
            f"defined ({error}); define it at the top of the module"
        ) from None


def _no_schema(name: str, error: Exception) -> ConfigError:
    reason = str(error).partition("\n")[0]
    return ConfigError(
        f"tool {name}: a parameter has a type that a model cannot fill in ({reason}); use JSON-like types or pydantic "
        "models, or let the model name values with argref_by_name"
    )
