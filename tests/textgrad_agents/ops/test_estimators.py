"""Gradient estimators as replaced backwards, and the helpers they are made of."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from textgrad_agents.ops import (
    FxnOp,
    RewardLoss,
    assign_constant_grads,
    assign_default_grads,
    llm_straight_through_estimator,
    stop_grad,
    straight_through_estimator,
    zero_estimator,
)
from textgrad_agents.variables import Variable, compute_grads

TREE = {"a": 1.0, "b": [2.0, (3.0,)]}


def leaf(value: Any, name: str) -> Variable:
    return Variable(value, role_description="input", name=name)


def grads(estimator: Any, grad_output: float = 2.0) -> dict[str, Any]:
    use = FxnOp(lambda config, *msgs: 0.0, "use")
    return compute_grads(use(leaf(TREE, "config"), leaf("hi", "msgs")), grad_output, {"use": estimator})


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (straight_through_estimator, {"config": {"a": 2.0, "b": [2.0, (2.0,)]}, "msgs": 2.0}),
        (partial(straight_through_estimator, descend=False), {"config": 2.0, "msgs": 2.0}),
        (zero_estimator, {"config": {"a": 0.0, "b": [0.0, (0.0,)]}, "msgs": 0.0}),
        (stop_grad, {}),
        (llm_straight_through_estimator, {"config": {"a": 2.0, "b": [2.0, (2.0,)]}, "msgs": 2.0}),
    ],
)
def test_estimators(estimator: Any, expected: dict[str, Any]) -> None:
    assert grads(estimator) == expected


@pytest.mark.parametrize("estimator", [straight_through_estimator, zero_estimator, llm_straight_through_estimator])
def test_words_are_handed_on_beside_the_numbers(estimator: Any) -> None:
    config, part = leaf(TREE, "config"), leaf("hi", "part")
    use = FxnOp(lambda config, msgs: "x", "use", backward=estimator)
    RewardLoss()(use(config, [part, "plain"]), 0.0, "hm").backward()
    assert [config.gradient_text(), part.gradient_text()] == ["hm", "hm"]
    assert config.grad == {"a": 0.0, "b": [0.0, (0.0,)]}
    assert part.grad == 0.0


def test_constant_grads() -> None:
    assert assign_constant_grads([1, [2]], {"k": TREE}, 5.0) == ([5.0, [5.0]], {"k": {"a": 5.0, "b": [5.0, (5.0,)]}})
    assert assign_constant_grads([1, [2]], {"k": TREE}, None, descend=False) == ([None, None], {"k": None})


def test_default_grads_fill_what_is_left_out() -> None:
    given = ([1.0], {"config": {"b": [None, (7.0,)]}})
    filled = assign_default_grads(given, [0, [0, 0]], {"config": TREE, "other": "x"})
    assert filled == ([1.0, [0.0, 0.0]], {"config": {"a": 0.0, "b": [0.0, (7.0,)]}, "other": 0.0})
    assert assign_default_grads(([], {"x": 0.0}), [], {"x": 1}, default_grad_val=3.0) == ([], {"x": 0.0})
