"""Tools: functions that a model may call, described by their signature and docstring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, NoReturn, Self, TypeAlias

from docstring_parser import DocstringStyle
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FieldSerializationInfo,
    PlainSerializer,
    PrivateAttr,
    TypeAdapter,
)

from textgrad_agents.errors import ConfigError, ToolCallError
from textgrad_agents.tools.describe import manual_page, to_xml
from textgrad_agents.tools.docstrings import parameter_texts, partial_format, read_docstring, summary
from textgrad_agents.tools.functions import STATE, Arguments, is_coroutine_callable, takes_state


def _without_none(properties: dict[str, dict[str, Any]], info: FieldSerializationInfo) -> dict[str, dict[str, Any]]:
    """`exclude_none` reaches into the properties as well."""
    if not info.exclude_none:
        return properties
    return {
        name: {key: value for key, value in schema.items() if value is not None} for name, schema in properties.items()
    }


class Parameters(BaseModel):
    """The parameters of a tool as a JSON schema; further keys (``$defs``) are kept."""

    model_config = ConfigDict(extra="allow")

    type: Literal["object"] = "object"
    properties: Annotated[dict[str, dict[str, Any]], PlainSerializer(_without_none)]
    required: list[str]


class FunctionInfo(BaseModel):
    """What a model is told about a tool. `parameters` is None where a provider refuses an empty schema."""

    name: str
    description: str
    parameters: Parameters | None

    def get_properties(self) -> dict[str, dict[str, Any]]:
        """The schema of each parameter; empty without parameters."""
        return self.parameters.properties if self.parameters is not None else {}

    def describe_str(self) -> str:
        """As a manual page."""
        return manual_page(self.name, self.description, self.get_properties())

    def describe_xml(self) -> str:
        """As XML."""
        return to_xml("function_info", self.model_dump(exclude_none=True, by_alias=True))

    def describe_json(self) -> str:
        """As JSON."""
        return self.model_dump_json(exclude_none=True, by_alias=True)

    def __str__(self) -> str:
        return self.describe_str()


def _no_function(*args: Any, **kwargs: Any) -> NoReturn:
    raise NotImplementedError("this tool is a description without a function; pass tool_fn to call it")


@dataclass(frozen=True, slots=True)
class _Facts:
    """What has to be known of a function to call it, worked out once."""

    function: Callable[..., Any]
    is_async: bool
    takes_state: bool


class Tool(BaseModel):
    """A function that a model may call.

    Only the description is written to the wire (``{"type": "function", "function": {…}}``), never the function.

    Attributes:
        info: the description; ``function`` on the wire.
        concurrency_safe: False if no other tool may run while this one does.
    """

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    type: Literal["function"] = "function"
    info: FunctionInfo = Field(alias="function")
    concurrency_safe: bool = Field(default=True, exclude=True)

    _tool_fn: Callable[..., Any] = PrivateAttr()
    _arguments: Arguments | None = PrivateAttr(default=None)
    _known: _Facts | None = PrivateAttr(default=None)

    def __init__(self, tool_fn: Callable[..., Any] = _no_function, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._tool_fn = tool_fn

    def __getstate__(self) -> dict[Any, Any]:
        """A copy in another process knows the description alone."""
        private = {"_tool_fn": _no_function, "_arguments": None, "_known": None}
        return super().__getstate__() | {"__pydantic_private__": private}

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        docstring_style: DocstringStyle = DocstringStyle.AUTO,
        allow_empty_param_descriptions: bool = False,
        types_in_param_descriptions: bool = False,
        concurrency_safe: bool = True,
        **formats: Any,
    ) -> Self:
        r"""A tool from a function, plain or async, with type hints and a docstring.

        A parameter called ``state``, in any position, is hidden from models: the environment passes it. What follows
        ``\f`` in the description is left out.

        Args:
            function: the function.
            docstring_style: how the docstring is written.
            allow_empty_param_descriptions: accept parameters of which the docstring says nothing.
            types_in_param_descriptions: put documented types before the descriptions of parameters.
            concurrency_safe: False if no other tool may run while this one does.
            formats: values of ``{placeholders}`` in the docstring; placeholders without a value stay.

        Raises:
            ConfigError: the docstring or a parameter's description is missing, or a type has no JSON schema.
        """
        name: str | None = getattr(function, "__name__", None)
        if name is None:
            raise ConfigError(f"a tool needs a function with a name, not {function!r}; wrap it in a def")
        docstring = read_docstring(function, name, docstring_style)
        texts = parameter_texts(docstring, with_types=types_in_param_descriptions)
        arguments = Arguments.of(function, name, texts, allow_empty=allow_empty_param_descriptions, formats=formats)
        info = FunctionInfo(
            name=name,
            description=partial_format(summary(docstring), **formats),
            parameters=Parameters(**arguments.schema(name)),
        )
        tool = cls(tool_fn=function, info=info, concurrency_safe=concurrency_safe)
        tool._arguments = arguments
        return tool

    @property
    def is_async(self) -> bool:
        """Whether what `bind` returns gives something to await."""
        return self._facts.is_async

    @property
    def _facts(self) -> _Facts:
        function, known = self._tool_fn, self._known
        if known is None or known.function is not function:
            known = self._known = _Facts(function, is_coroutine_callable(function), takes_state(function))
        return known

    def bind(self, arguments: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> Callable[[], Any]:
        """The call of the function with these arguments, checked and ready to run.

        Args:
            arguments: the model's arguments; they are converted to the types of the parameters.
            given: arguments from the environment, which go before the model's and are passed as they are; ``state``
                only if the function wants it.

        Raises:
            ToolCallError: an argument is missing, unknown or of another type.
        """
        given = given or {}
        if STATE in given and not self._facts.takes_state:
            given = {name: value for name, value in given.items() if name != STATE}
        return partial(self._tool_fn, **{**self._read(arguments, given.keys()), **given})

    def _read(self, arguments: Mapping[str, Any], given: Set[str]) -> dict[str, Any]:
        name = self.info.name
        if self._arguments is not None:
            return self._arguments.read(name, arguments, given)
        required = self.info.parameters.required if self.info.parameters is not None else []
        missing = [parameter for parameter in required if parameter not in arguments and parameter not in given]
        if missing:
            raise ToolCallError(f"{name}: {', '.join(missing)} is missing")
        return dict(arguments)


Tools: TypeAlias = list[Tool]
ToolsAdapter: TypeAdapter[Tools] = TypeAdapter(Tools)
