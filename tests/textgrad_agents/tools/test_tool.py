"""Tools made from functions: what models are told, what a call gets, and what never leaves the process."""

from __future__ import annotations

import functools
import json
import pickle
import re
from collections.abc import Callable
from copy import deepcopy
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from docstring_parser import DocstringStyle
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from textgrad_agents.errors import ConfigError, ToolCallError
from textgrad_agents.tools import FunctionInfo, Tool, ToolCall, ToolsAdapter, wraps_doc_only


class Size(Enum):
    """How large."""

    SMALL = "s"
    LARGE = "l"


class Box(BaseModel):
    """Something to put things in."""

    size: Size
    label: str = Field(default="box", description="What is written on it.")


def nothing() -> None:
    """Do nothing."""


def weigh(grams: float, state: Any, times: int = 1) -> float:
    """Weigh something.

    It may take a while.

    Args:
        grams: The mass, in g.
        state: The scales.
        times: How often
            to weigh it.

    Returns:
        The mean.
    """
    return grams * times


def pack(
    box: Box,
    size: Size,
    names: list[str],
    pair: tuple[int, str],
    counts: dict[str, int],
    note: str | None,
    void: None,
    unit: Literal["g", "kg"] = "g",
    weight: Annotated[float, Field(gt=0)] = 1.5,
) -> None:
    """Pack {what} into {where}.

    Args:
        box: The {what}.
        size: Its size.
        names: Names, such as
            - the first
              and its sequel

            - the second
        pair: A pair.
        counts: Counts by name.
        note: A note: with a colon.
        void: Nothing.
        unit: The unit.
        weight: The weight.
    """


def secretive(x: int) -> None:
    r"""Say something.

    In two paragraphs.

    \f

    How it is done is nobody's business.

    Args:
        x: A number.
    """


def properties(tool: Tool) -> dict[str, dict[str, Any]]:
    return tool.info.get_properties()


class TestSchema:
    def test_a_function_without_parameters(self) -> None:
        assert Tool.from_function(nothing).model_dump(by_alias=True) == {
            "type": "function",
            "function": {
                "name": "nothing",
                "description": "Do nothing.",
                "parameters": {"type": "object", "properties": {}, "required": []},
            },
        }

    def test_types_titles_defaults_and_descriptions_and_no_state(self) -> None:
        assert Tool.from_function(weigh).model_dump()["info"] == {
            "name": "weigh",
            "description": "Weigh something.\n\nIt may take a while.",
            "parameters": {
                "type": "object",
                "properties": {
                    "grams": {"type": "number", "title": "Grams", "description": "The mass, in g."},
                    "times": {
                        "type": "integer",
                        "title": "Times",
                        "description": "How often\nto weigh it.",
                        "default": 1,
                    },
                },
                "required": ["grams"],
            },
        }

    def test_every_kind_of_type(self) -> None:
        info = Tool.from_function(pack, where="a {thing}").model_dump(exclude_none=True)["info"]
        assert info["description"] == "Pack {what} into a {thing}."
        assert info["parameters"] == {
            "type": "object",
            "properties": {
                "box": {"$ref": "#/$defs/Box", "description": "The {what}."},
                "size": {"$ref": "#/$defs/Size", "description": "Its size."},
                "names": {
                    "type": "array",
                    "items": {"type": "string"},
                    "title": "Names",
                    "description": "Names, such as\n- the first\n  and its sequel\n\n- the second",
                },
                "pair": {
                    "type": "array",
                    "prefixItems": [{"type": "integer"}, {"type": "string"}],
                    "minItems": 2,
                    "maxItems": 2,
                    "title": "Pair",
                    "description": "A pair.",
                },
                "counts": {
                    "type": "object",
                    "additionalProperties": {"type": "integer"},
                    "title": "Counts",
                    "description": "Counts by name.",
                },
                "note": {
                    "anyOf": [{"type": "string"}, {"type": "null"}],
                    "title": "Note",
                    "description": "A note: with a colon.",
                },
                "void": {"type": "null", "title": "Void", "description": "Nothing."},
                "unit": {
                    "type": "string",
                    "enum": ["g", "kg"],
                    "default": "g",
                    "title": "Unit",
                    "description": "The unit.",
                },
                "weight": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "default": 1.5,
                    "title": "Weight",
                    "description": "The weight.",
                },
            },
            "required": ["box", "size", "names", "pair", "counts", "note", "void"],
            "$defs": {
                "Box": {
                    "type": "object",
                    "title": "Box",
                    "description": "Something to put things in.",
                    "properties": {
                        "size": {"$ref": "#/$defs/Size"},
                        "label": {
                            "type": "string",
                            "title": "Label",
                            "default": "box",
                            "description": "What is written on it.",
                        },
                    },
                    "required": ["size"],
                },
                "Size": {"type": "string", "enum": ["s", "l"], "title": "Size", "description": "How large."},
            },
        }

    def test_what_follows_a_form_feed_is_hidden(self) -> None:
        tool = Tool.from_function(secretive)
        assert tool.info.description == "Say something.\n\nIn two paragraphs."
        assert properties(tool)["x"]["description"] == "A number."

    def test_a_real_form_feed_hides_too(self) -> None:
        def speak() -> None:
            """Speak.\f Secret."""

        assert Tool.from_function(speak).info.description == "Speak."

    @given(name=st.sampled_from(["json", "copy", "schema", "model_config", "dict", "class_name", "_hidden", "self_"]))
    def test_a_parameter_may_have_any_name(self, name: str) -> None:
        space: dict[str, Any] = {}
        exec(f'def act({name}: int) -> int:\n    """Act."""\n    return {name}', space)
        tool = Tool.from_function(space["act"], allow_empty_param_descriptions=True)
        assert properties(tool)[name]["type"] == "integer"
        assert tool.bind({name: "3"})() == 3

    def test_types_that_are_documented_can_be_shown(self) -> None:
        def look(place, times=2):
            """Look.

            Args:
                place (str): Where.
                times: How often.
            """

        shown = properties(Tool.from_function(look, types_in_param_descriptions=True))
        assert shown["place"]["description"] == "(str): Where."
        assert shown["times"]["description"] == "How often."
        hidden = properties(Tool.from_function(look))
        assert hidden["place"] == {"title": "Place", "description": "Where."}

    def test_other_docstring_styles(self) -> None:
        def look(place: str) -> None:
            """Look.

            :param place: Where.
            """

        for style in (DocstringStyle.AUTO, DocstringStyle.REST):
            assert properties(Tool.from_function(look, docstring_style=style))["place"]["description"] == "Where."
        with pytest.raises(ConfigError, match="Missing description"):
            Tool.from_function(look, docstring_style=DocstringStyle.GOOGLE)

    def test_methods_and_wrapped_functions(self) -> None:
        class Shop:
            def sell(self, name: str) -> str:
                """Sell something.

                Args:
                    name: What.
                """
                return f"sold {name}"

        def logged(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def call(*args: Any, **kwargs: Any) -> Any:
                return function(*args, **kwargs)

            return call

        tool = Tool.from_function(Shop().sell)
        assert list(properties(tool)) == ["name"]
        assert tool.bind({"name": "tea"})() == "sold tea"
        assert Tool.from_function(logged(weigh)).info == Tool.from_function(weigh).info

    def test_a_docstring_alone_can_be_taken_over(self) -> None:
        @wraps_doc_only(weigh)
        def other(times: int, state: Any) -> int:
            return times

        assert other.__name__ == "other"
        info = Tool.from_function(other).info
        assert (info.name, list(info.get_properties())) == ("other", ["times"])

    def test_what_is_not_described_is_refused(self) -> None:
        def silent(x: int) -> None: ...

        def half(x: int) -> None:
            """Half."""

        with pytest.raises(ConfigError, match="Missing docstring for function silent"):
            Tool.from_function(silent)
        with pytest.raises(ConfigError, match="Missing description for parameter x of tool half"):
            Tool.from_function(half)
        assert "description" not in properties(Tool.from_function(half, allow_empty_param_descriptions=True))["x"]

    def test_types_that_a_model_cannot_fill_in_are_refused(self) -> None:
        class Thing: ...

        def use(thing):
            """Use.

            Args:
                thing: It.
            """

        use.__annotations__["thing"] = Thing
        with pytest.raises(ConfigError, match="tool use: a parameter has a type that a model cannot fill in"):
            Tool.from_function(use)
        use.__annotations__["thing"] = Callable[[], int]
        with pytest.raises(ConfigError, match=r"tool use: .* cannot fill in"):
            Tool.from_function(use)
        for nowhere in ("Nowhere", "json.Nowhere", "1 |"):
            use.__annotations__["thing"] = nowhere
            with pytest.raises(ConfigError, match=f"'{re.escape(nowhere)}' of parameter thing is not known"):
                Tool.from_function(use)
        with pytest.raises(ConfigError, match="a function with a name"):
            Tool.from_function(functools.partial(weigh, 1))

    def test_a_hidden_state_may_have_any_type(self) -> None:
        def act(state) -> None:
            """Act."""

        act.__annotations__["state"] = "Nowhere"
        assert properties(Tool.from_function(act)) == {}


class TestWords:
    def test_a_manual_page(self) -> None:
        assert Tool.from_function(weigh).info.describe_str() == str(Tool.from_function(weigh).info)
        assert str(Tool.from_function(weigh).info) == (
            "NAME: weigh\n\n"
            "SYNOPSIS:\n    weigh(number grams, integer times)\n\n"
            "DESCRIPTION:\n    Weigh something.\n\n    It may take a while.\n\n"
            "PARAMETERS:\n    grams (number): The mass, in g.\n    times (integer): How often\nto weigh it.\n"
        )

    def test_unions_and_missing_words(self) -> None:
        def put(what: int | None, where: Box) -> None:
            """Put."""

        page = Tool.from_function(put, allow_empty_param_descriptions=True).info.describe_str()
        assert "put(integer | null what, unknown where)" in page
        assert "what (integer | null): No description provided." in page

    def test_json(self) -> None:
        info = Tool.from_function(weigh).info
        assert json.loads(info.describe_json()) == info.model_dump(exclude_none=True)

    def test_xml(self) -> None:
        from xml.etree import ElementTree

        text = Tool.from_function(pack).info.describe_xml()
        root = ElementTree.fromstring(text)
        assert root.tag == "function_info"
        assert root.findtext("parameters/properties/names/type") == "array"
        assert [item.text for item in root.findall("parameters/required/item")][:2] == ["box", "size"]
        assert root.find("parameters/key[@name='$defs']/Box/title") is not None


class TestWire:
    def test_functions_stay_here(self) -> None:
        tool = Tool.from_function(weigh, concurrency_safe=False)
        dumped = tool.model_dump(by_alias=True)
        assert set(dumped) == {"type", "function"}
        for copy in (Tool(**dumped), Tool(**tool.model_dump()), *ToolsAdapter.validate_python([dumped])):
            assert copy.info == tool.info
            assert copy.concurrency_safe
            with pytest.raises(NotImplementedError, match="without a function"):
                copy.bind({"grams": 1})()

    def test_a_pickle_holds_the_description_alone(self) -> None:
        tool = Tool.from_function(lambda_like := named_lambda())
        copy = pickle.loads(pickle.dumps(tool))
        assert (copy.info, copy.concurrency_safe) == (tool.info, True)
        assert tool._tool_fn is lambda_like
        with pytest.raises(NotImplementedError):
            copy.bind({})()
        assert deepcopy(tool).bind({})() == "here"

    def test_a_tool_by_hand(self) -> None:
        info = {"name": "weigh", "description": "Weigh.", "parameters": Tool.from_function(weigh).info.parameters}
        tool = Tool(tool_fn=weigh, info=FunctionInfo(**info))
        assert tool.bind({"grams": 2.0}, {"state": None})() == 2.0
        with pytest.raises(ToolCallError, match="weigh: grams is missing"):
            tool.bind({})
        stub = Tool(info=FunctionInfo(name="stub", description="Stub.", parameters=None))
        assert stub.info.get_properties() == {}
        assert stub.model_dump(exclude_none=True)["info"] == {"name": "stub", "description": "Stub."}

    def test_calls_from_tools(self) -> None:
        tool = Tool.from_function(weigh)
        call = ToolCall.from_tool(tool, 2.0, 3, "left over", id="1")
        assert (call.id, call.function.name, call.function.arguments) == ("1", "weigh", {"grams": 2.0, "times": 3})
        assert ToolCall.from_tool(tool, grams=1).function.arguments == {"grams": 1}


def named_lambda() -> Callable[[], str]:
    def answer() -> str:
        """Answer."""
        return "here"

    return answer


class TestArguments:
    def test_they_are_converted_to_the_types(self) -> None:
        def show(box: Box, size: Size, name: str, share: float) -> list[Any]:
            """Show."""
            return [box, size, name, share]

        tool = Tool.from_function(show, allow_empty_param_descriptions=True)
        given = {"box": {"size": "s"}, "size": "l", "name": 5, "share": "1e-3"}
        assert tool.bind(given)() == [Box(size=Size.SMALL), Size.LARGE, "5", 0.001]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({}, "weigh: grams is missing"),
            ({"grams": [1]}, "grams must be a valid number, not [1]"),
            ({"grams": "heavy"}, "grams must be a valid number"),
            ({"grams": None}, "grams must be a valid number, not None"),
            ({"grams": 1, "times": 1.5}, "times must be a valid integer"),
            ({"grams": 1, "gramms": 2}, "no field gramms; did you mean grams?"),
            ({"grams": 1, "state": {"done": True}}, "no field state"),
        ],
    )
    def test_wrong_ones_are_explained(self, arguments: dict[str, Any], said: str) -> None:
        with pytest.raises(ToolCallError) as raised:
            Tool.from_function(weigh).bind(arguments, {"state": None})
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_defaults_are_the_functions_own(self) -> None:
        seen: list[int] = []

        def collect(into: list[int] = seen) -> int:
            """Collect."""
            into.append(1)
            return len(into)

        tool = Tool.from_function(collect, allow_empty_param_descriptions=True)
        assert [tool.bind({})(), tool.bind({})()] == [1, 2]
        assert seen == [1, 1]

    def test_the_state_goes_to_those_who_want_it(self) -> None:
        assert Tool.from_function(weigh).bind({"grams": 2}, {"state": "scales"})() == 2
        assert Tool.from_function(nothing).bind({}, {"state": "scales"})() is None

    def test_open_ended_functions_take_what_comes(self) -> None:
        def note(title: str, *rest: Any, **more: Any) -> dict[str, Any]:
            """Note."""
            return {"title": title, **more}

        tool = Tool.from_function(note, allow_empty_param_descriptions=True)
        assert list(properties(tool)) == ["title"]
        assert tool.bind({"title": "a", "colour": "red"})() == {"title": "a", "colour": "red"}

    def test_a_state_that_the_model_makes_up_does_not_reach_the_tool(self) -> None:
        def note(title: str, state: str, **more: Any) -> str:
            """Note."""
            return state

        tool = Tool.from_function(note, allow_empty_param_descriptions=True)
        assert tool.bind({"title": "a", "state": "made up"}, {"state": "true"})() == "true"
        by_hand = Tool(tool_fn=note, info=tool.info)
        assert by_hand.bind({"title": "a", "state": "made up"}, {"state": "true"})() == "true"

    def test_what_the_environment_passes_is_not_asked_of_the_model(self) -> None:
        def greet(name: str, host: str) -> str:
            """Greet."""
            return f"{host} greets {name}"

        tool = Tool.from_function(greet, allow_empty_param_descriptions=True)
        assert tool.bind({"name": "Ann", "host": "Eve"}, {"host": "Bob"})() == "Bob greets Ann"

    @given(a=st.integers(), b=st.booleans() | st.none() | st.floats() | st.text() | st.lists(st.integers()))
    def test_no_argument_breaks_the_check(self, a: int, b: Any) -> None:
        def use(a: int, b: int = 0) -> tuple[int, int]:
            """Use."""
            return a, b

        tool = Tool.from_function(use, allow_empty_param_descriptions=True)
        try:
            bound = tool.bind({"a": a, "b": b})
        except ToolCallError:
            return
        first, second = bound()
        assert (first, type(second)) == (a, int)
