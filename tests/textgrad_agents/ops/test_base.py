"""Ops: how arguments are found, named, copied and linked."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from textgrad_agents.ops import FxnOp, Op, op
from textgrad_agents.ops.signature import Signature
from textgrad_agents.variables import Variable, compute_grads, no_grad
from textgrad_agents.variables.call import BackwardContext


def leaf(value: Any = 1, **options: Any) -> Variable:
    return Variable(value, role_description="input", **options)


class Point(NamedTuple):
    x: Any
    y: Any


def test_variables_inside_lists_tuples_and_dicts_are_found_linked_and_unwrapped() -> None:
    seen: list[Any] = []

    @op
    def look(tree: Any, *rest: Any, **more: Any) -> None:
        seen.extend([tree, rest, more])

    a, b, c, d, e = (leaf(i) for i in range(5))
    tree = {"list": [a, 9], "point": Point(b, 8), 3: (c,)}
    result = look(tree, d, key=[{"deep": e}])
    assert seen == [{"list": [0, 9], "point": Point(1, 8), 3: (2,)}, (3,), {"key": [{"deep": 4}]}]
    assert type(seen[0]["point"]) is Point
    assert result.call is not None
    assert dict(result.call.inputs) == {
        ("tree", "list", 0): a,
        ("tree", "point", 0): b,
        ("tree", 3, 0): c,
        (0,): d,
        ("key", 0, "deep"): e,
    }
    assert result.call.input_args == [3]
    assert result.call.input_kwargs == {"tree": seen[0], "key": [{"deep": 4}]}


def test_positional_arguments_go_by_their_parameter_names() -> None:
    @op
    def function(a: int, b: int = 2, *, c: int = 3) -> tuple[int, ...]:
        return a, b, c

    result = function(leaf(5), c=7)
    assert result.value == (5, 2, 7)
    assert result.call is not None
    assert result.call.input_kwargs == {"a": 5, "c": 7}


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1, 2, 3), {}, "at most 2 positional"),
        ((1,), {"a": 2}, r"multiple values for \['a'\]"),
        ((), {"b": 2}, "missing 1 required"),
        ((1,), {"z": 2}, "unexpected keyword"),
    ],
)
def test_wrong_arguments_are_a_type_error_with_the_ops_name(args: Any, kwargs: Any, message: str) -> None:
    @op
    def function(a: int, b: int = 2) -> int:
        return a + b

    with pytest.raises(TypeError, match=message) as caught:
        function(*args, **kwargs)
    assert any("function" in note for note in caught.value.__notes__)


def test_positional_only_and_variadic_parameters() -> None:
    def function(a: int, b: int, /, c: int, *rest: int, d: int = 0, **more: int) -> tuple[Any, ...]:
        return a, b, c, rest, d, more

    made = FxnOp(function)
    assert made(1, 2, 3, leaf(4), 5, d=6, e=7).value == (1, 2, 3, (4, 5), 6, {"e": 7})
    assert made(1, 2, c=3).value == (1, 2, 3, (), 0, {})


def test_builtins_without_a_signature_take_what_they_are_given() -> None:
    assert FxnOp(max)(leaf(3), leaf(5)).value == 5
    assert FxnOp(dict)(a=leaf(3)).value == {"a": 3}
    assert Signature(max, skip_self=False).bind((1, 2), {}) == ((1, 2), {})


def test_names_and_roles() -> None:
    @op(name="shout")
    def function(x: str) -> str:
        """Loudly."""
        return x.upper()

    assert (function.name, function.__doc__) == ("shout", "Loudly.")
    assert function(leaf("a")).role_description == "output of shout"
    assert FxnOp(lambda x: x).name == "<lambda>"

    class Named(Op):
        def forward(self, x: Any) -> Any:
            return x

    assert Named.name == Named().name == "Named"
    assert repr(Named()) == "Named(Named)"
    assert Named().apply((1,), {}, role="special").role_description == "special"


def test_an_op_without_forward_or_backward_says_which_is_missing() -> None:
    class Empty(Op):
        pass

    class Half(Op):
        def forward(self, x: Any) -> Any:
            return x

    with pytest.raises(NotImplementedError, match="Empty must define forward"):
        Empty()(1)
    with pytest.raises(NotImplementedError, match="Half must define backward"):
        Half()(leaf()).backward()


class Scaled(Op):
    """Multiplies by a parameter of its own."""

    def __init__(self) -> None:
        self.factor = Variable(3.0, role_description="factor", name="factor")

    def parameters(self) -> dict[str, Variable]:
        return {"factor": self.factor}

    def forward(self, x: float) -> float:
        return x * self.factor.value

    def backward(self, ctx: BackwardContext, input_args, input_kwargs, grad_output, call_id) -> Any:
        return [], {"x": grad_output * input_kwargs["factor"], "factor": grad_output * input_kwargs["x"]}


def test_an_ops_own_variables_are_inputs_of_its_calls() -> None:
    scaled = Scaled()
    result = scaled(leaf(2.0, name="x"))
    assert result.requires_grad
    assert compute_grads(result, 1.0) == {"x": 3.0, "factor": 2.0}
    assert scaled(5.0).requires_grad


def test_an_argument_may_not_hide_an_ops_own_variable() -> None:
    class Loose(Scaled):
        def forward(self, **values: float) -> float:
            return 0.0

    with pytest.raises(TypeError, match=r"Loose got the arguments \['factor'\]"):
        Loose()(factor=1.0)


def test_a_call_records_the_values_of_its_time() -> None:
    x = leaf("before")
    result = FxnOp(lambda x: x)(x)
    x.value = "after"
    assert result.call is not None
    assert result.call.input_kwargs == {"x": "before"}


def test_a_call_knows_the_line_it_was_made_on() -> None:
    result = FxnOp(lambda x: x)(leaf())
    assert result.call is not None
    file, line = result.call.site
    assert file == __file__
    assert "FxnOp(lambda x: x)(leaf())" in Path(file).read_text(encoding="utf-8").splitlines()[line - 1]


def test_without_recording_results_stand_alone() -> None:
    with no_grad():
        result = Scaled()(leaf(2.0))
    assert result.value == 6.0
    assert result.call is None
    assert not result.requires_grad


def test_subclasses_of_containers_are_passed_on_as_they_are() -> None:
    class Table(dict):
        pass

    table, ordered = Table(a=1), OrderedDict(b=leaf(2))
    result = FxnOp(lambda x, y: (x, y))(table, ordered)
    assert result.value[0] is table
    assert result.value[1] == {"b": 2}
