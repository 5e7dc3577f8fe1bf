"""``+``, joining and grouping: what flows back through them."""

from __future__ import annotations

import builtins

import pytest

from textgrad_agents.ops import FxnOp, RewardLoss, aggregate, concat, sum
from textgrad_agents.variables import Variable, compute_grads


def text(value: str, role: str = "part") -> Variable:
    return Variable(value, role_description=role)


def judged(variable: Variable, words: str = "too long") -> None:
    RewardLoss()(variable, 0.0, words).backward()


def test_adding_texts() -> None:
    a, b = text("a", "first"), text("b", "second")
    whole = a + b
    assert whole.value == "ab"
    assert whole.role_description == "first and second"
    assert (a + "!").value == "a!"
    assert ("?" + a).value == "?a"
    judged("<" + a + b + ">")
    assert [a.gradient_text(), b.gradient_text()] == ["too long", "too long"]


def test_adding_numbers() -> None:
    x = Variable(3.0, role_description="x")
    result = x + x + 1.0
    assert result.value == 7.0
    assert compute_grads(result, 1.0)["x"] == 2.0


def test_the_builtin_sum_starts_from_zero() -> None:
    whole = builtins.sum([text("a"), text("b"), text("c")])
    assert whole.value == "abc"
    judged(whole)
    assert builtins.sum([Variable(2, role_description="n"), Variable(3, role_description="n")]).value == 5


def test_adding_what_cannot_be_added_is_a_type_error_with_the_line() -> None:
    with pytest.raises(TypeError) as caught:
        text("a") + 1
    assert any(note.startswith("in add, called at") for note in caught.value.__notes__)


def test_joining() -> None:
    parts = [text("Line1", "role1"), text("Line2", "role2")]
    assert sum(parts).value == "Line1\nLine2"
    assert sum(parts).role_description == "a combination of the following: role1, role2"
    assert concat(*parts, "x").value == "Line1Line2x"
    assert concat(*parts, separator=" | ").value == "Line1 | Line2"
    assert sum([]).value == ""


def test_roles_of_nested_combinations_name_each_part_once() -> None:
    a, b = text("a", "first"), text("b", "second")
    whole = sum([a, b])
    for _ in range(20):
        whole = sum([sum([whole, a]), sum([b, whole])])
    assert whole.role_description == "a combination of the following: first, second"
    assert (((a + b) + a) + b).role_description == "first and second"


def test_each_part_gets_the_feedback_once() -> None:
    parts = [text(str(i)) for i in range(4)]
    judged(sum(parts))
    assert [[g.text for g in part.gradients] for part in parts] == [["too long"]] * 4


def test_an_aggregate_marks_its_feedback_as_a_group() -> None:
    parts = [text(str(i)) for i in range(4)]
    judged(aggregate(parts), "one")
    judged(aggregate(parts), "two")
    for part in parts:
        assert [g.text for g in part.gradients] == ["one", "two"]
        assert all(g.group and g.group.startswith("aggregate ") for g in part.gradients)
    assert len({g.group for part in parts for g in part.gradients}) == 2


def test_an_inner_aggregate_keeps_the_group_of_the_outer() -> None:
    x = text("x")
    judged(aggregate([aggregate([x, text("y")]), text("z")]))
    (gradient,) = x.gradients
    assert gradient.text == "too long"


def test_the_objective_reaches_losses_through_a_sum() -> None:
    objectives: list[str] = []

    def note(ctx, *_: object) -> None:
        if ctx.is_objective:
            objectives.append(ctx.output.value)

    loss = FxnOp(lambda x: x, "loss", backward=note)
    sum([loss(text("a")), aggregate([loss(text("b"))])]).backward()
    assert sorted(objectives) == ["a", "b"]
