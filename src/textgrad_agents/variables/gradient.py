"""Gradient: what one use of a Variable says about how it should change, in words, in numbers, or both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from textgrad_agents.errors import GradientStructureError

NumberTree = Any
"""A number, or lists, tuples and dicts of numbers (anything with ``+``, so arrays and tensors too)."""


@dataclass(frozen=True, slots=True)
class Gradient:
    """One piece of feedback on a Variable.

    Attributes:
        text: the feedback in words; None if there are none. Empty words say that the value itself is the objective.
        number: the numeric gradient (a number or a tree of numbers with the Variable's structure), or None.
        origin: name of the op whose backward wrote it.
        context: what the critic saw, for the optimizer (the conversation; text, or text and image parts).
        used_as: role of the op's output, "what the Variable was used for".
        weight: relative importance.
        group: gradients of one group may be merged into one before an optimizer reads them.
        reward: what a loss says the output was worth. Such a Gradient says nothing in words; it is handed on unchanged
            to whatever the output was made from, and counts once where it comes by several ways. Sampled text has no
            derivative, so it is by this number that weights learn (the score function estimator).
    """

    text: str | None = None
    number: NumberTree = None
    origin: str = ""
    context: str | tuple[Any, ...] = ""
    used_as: str = ""
    weight: float = 1.0
    group: str | None = None
    reward: float | None = None

    def described(self, origin: str, used_as: str) -> Gradient:
        """The same words with their origin filled in where it is not said yet, without the number."""
        if self.origin and self.used_as and self.number is None:
            return self
        return Gradient(
            self.text, None, self.origin or origin, self.context, self.used_as or used_as, self.weight, self.group
        )


def is_gradients(value: object) -> TypeGuard[tuple[Gradient, ...]]:
    """True for a tuple of Gradients: several pieces of feedback on one input."""
    return (
        isinstance(value, tuple)
        and bool(cast("tuple[Any, ...]", value))
        and all(isinstance(item, Gradient) for item in cast("tuple[Any, ...]", value))
    )


def add_numbers(left: NumberTree, right: NumberTree, where: str) -> NumberTree:
    """Sum of two number trees, leaf by leaf; None is "no number".

    Raises:
        GradientStructureError: the trees have different structures.
    """
    if left is None:
        return right
    if right is None:
        return left
    if isinstance(left, dict) and isinstance(right, dict):
        first, second = cast("dict[Any, Any]", left), cast("dict[Any, Any]", right)
        if first.keys() == second.keys():
            return {key: add_numbers(first[key], second[key], where) for key in first}
    elif isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        ones, others = cast("list[Any] | tuple[Any, ...]", left), cast("list[Any] | tuple[Any, ...]", right)
        if type(ones) is type(others) and len(ones) == len(others):
            return like_sequence(ones, [add_numbers(a, b, where) for a, b in zip(ones, others, strict=True)])
    elif not isinstance(left, (dict, list, tuple)) and not isinstance(right, (dict, list, tuple)):
        return left + right
    raise GradientStructureError(
        f"Mismatched gradient structures at {where}: {_shape(left)} and {_shape(right)}; "
        "all uses of a value must return gradients of the value's own structure"
    )


def map_numbers(tree: NumberTree, function: Callable[[Any], Any]) -> NumberTree:
    """Apply `function` to every leaf of a tree."""
    if isinstance(tree, dict):
        return {key: map_numbers(value, function) for key, value in cast("dict[Any, Any]", tree).items()}
    if isinstance(tree, (list, tuple)):
        items = cast("list[Any] | tuple[Any, ...]", tree)
        return like_sequence(items, [map_numbers(value, function) for value in items])
    return function(tree)


def like_sequence(model: list[Any] | tuple[Any, ...], items: list[Any]) -> list[Any] | tuple[Any, ...]:
    """`items` as a list, a tuple or a named tuple, whichever `model` is."""
    if isinstance(model, list):
        return items
    make = getattr(type(model), "_make", tuple)
    return make(items)


def _shape(tree: NumberTree) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(str(key) for key in cast("dict[Any, Any]", tree)) + "}"
    if isinstance(tree, (list, tuple)):
        items = cast("list[Any] | tuple[Any, ...]", tree)
        return f"{type(items).__name__} of {len(items)}"
    return "a number"
