"""Arguments by name: models pass keys, functions get values."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from textgrad_agents.tools import Tool, argref_by_name


class State:
    def __init__(self, **refs: Any) -> None:
        self.refs: dict[str, Any] = refs


def add(a: int, b: int) -> int:
    """Add.

    Args:
        a: the first
        b: the second
    """
    return a + b


def both(a: Any, b: Any) -> list[Any]:
    """Give both.

    Args:
        a: the first
        b: the second
    """
    return [a, b]


def stored(state: State, answer: str) -> list[Any]:
    return [state.refs[line.split()[0]] for line in answer.split("\n")]


def test_results_are_stored_under_new_keys_that_the_answer_names() -> None:
    state = State(one=1, two=2)
    answer = argref_by_name()(add)("one", "two", state=state)
    assert re.fullmatch(r"[0-9a-f]{8} \(int\): 3", answer)
    assert stored(state, answer) == [3]
    answer = argref_by_name(prefix="sum")(add)(a="one", b="two", state=state)
    assert re.fullmatch(r"sum-[0-9a-f]{8} \(int\): 3", answer)


def test_members_of_a_list_get_a_key_each() -> None:
    state = State(one=1, two=[2])
    answer = argref_by_name()(both)("one", "two", state=state)
    assert stored(state, answer) == [1, [2]]


def test_several_keys_stand_for_several_values() -> None:
    state = State(one=1, two=2)
    assert stored(state, argref_by_name()(add)("one, two", state=state)) == [3]

    @argref_by_name(return_direct=True)
    def total(a: list[int]) -> int:
        return sum(a)

    assert total(a="one,two,two", state=state) == 5


def test_positional_values_pass_but_a_first_text_has_to_be_a_key() -> None:
    direct = argref_by_name(return_direct=True)(both)
    state = State(one=1)
    assert direct(6, "two", state=state) == [6, "two"]
    assert direct("one", "one", state=state) == [1, 1]
    assert direct([1], {"a": 2}, state=state) == [[1], {"a": 2}]
    with pytest.raises(KeyError, match="key two is not found in state"):
        direct("two", 1, state=state)


def test_keywords_have_to_be_keys_unless_they_are_skipped() -> None:
    state = State(one=1)
    with pytest.raises(KeyError, match="Key is not present"):
        argref_by_name()(add)(a=1, b=2, state=state)
    with pytest.raises(KeyError, match=r"keys are not present .*two, three"):
        argref_by_name()(add)(a="one, two, three", b="one", state=state)
    assert stored(state, argref_by_name(args_to_skip=["b"])(add)(a="one", b=2, state=state)) == [3]


def test_the_state_has_to_be_there() -> None:
    with pytest.raises(ValueError, match="state="):
        argref_by_name()(add)("one", "one")
    with pytest.raises(AttributeError, match="must have a 'refs' attribute"):
        argref_by_name()(add)("one", "one", state="nothing")


def test_the_state_is_passed_on_if_asked_for() -> None:
    @argref_by_name(fxn_requires_state=True, return_direct=True)
    def count(a: int, state: State) -> int:
        return a + len(state.refs)

    assert count("one", state=State(one=1)) == 2


def test_async_functions() -> None:
    @argref_by_name()
    async def later(a: int) -> int:
        """Wait."""
        await asyncio.sleep(0)
        return a

    state = State(one=1)
    assert stored(state, asyncio.run(later("one", state=state))) == [1]


class Whole(int): ...


@pytest.mark.parametrize(
    ("hint", "value", "fits"),
    [
        (int, 1, True),
        (int, "1", False),
        (Sequence[int], [1, 2], True),
        (Sequence[int], [Whole(1)], True),
        (Sequence[int], 1, False),
        (Sequence[int], ["a"], False),
        (int | str, "a", True),
        (int | str, 1.5, False),
        (dict[str, int], {"a": 1}, True),
        (dict[str, int], {"a": "b"}, False),
        (tuple[int, ...], (1, 2), True),
        (tuple[int, str], (1, 2), False),
        (State, State(), True),
        (State, 1, False),
        (Any, object(), True),
    ],
)
def test_values_can_be_checked_against_type_hints(hint: Any, value: Any, fits: bool) -> None:
    def use(a, b):
        return "used"

    use.__annotations__["a"] = hint
    checked = argref_by_name(type_check=True, return_direct=True)(use)
    state = State(value=value, other=object())
    for call in (lambda: checked("value", "other", state=state), lambda: checked(a="value", b="other", state=state)):
        if fits:
            assert call() == "used"
        else:
            with pytest.raises(TypeError, match="- a: expected"):
                call()


@pytest.mark.parametrize("times", [1, 2])
def test_the_function_itself_is_left_alone(times: int) -> None:
    doc, hints = add.__doc__, dict(add.__annotations__)
    for _ in range(times):
        argref_by_name()(add)
    assert (add.__doc__, add.__annotations__) == (doc, hints)


def test_models_are_told_to_pass_keys() -> None:
    def gather(rows: list[int], limit: int, where: int | None) -> int:
        """Gather.

        Args:
            rows: the rows
            limit: the limit
            where: the place
        """
        return limit

    tool = Tool.from_function(argref_by_name(args_to_skip={"limit"})(gather), types_in_param_descriptions=True)
    shown = tool.info.get_properties()
    assert {name: schema["type"] for name, schema in shown.items()} == {
        "rows": "string",
        "limit": "integer",
        "where": "string",
    }
    assert shown["limit"]["description"] == "the limit"
    assert shown["where"]["description"] == "(int | None): the place (Pass a string key instead of the full object)"
    assert shown["rows"]["description"] == (
        "(list[int]): the rows (Pass comma-separated string keys instead of the full object)"
    )


def test_a_tool_passes_its_state() -> None:
    state = State(one=1)
    tool = Tool.from_function(argref_by_name(args_to_skip={"b"})(add))
    assert stored(state, tool.bind({"a": "one", "b": 2}, {"state": state})()) == [3]
