"""Gradient: what one use of a Variable says about how it should change, in words, in numbers, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from textgrad_agents.errors import GradientStructureError

NumberTree = Any
"""A number, or lists, tuples and dicts of numbers (anything with ``+``, so arrays and tensors too)."""


@dataclass(frozen=True, slots=True)
class Gradient:
    """One piece of feedback on a Variable.

    Attributes:
        text: the feedback in words, or None.
        number: the numeric gradient (a number or a tree of numbers with the Variable's structure), or None.
        origin: name of the op whose backward wrote it.
        context: what the critic saw, for the optimizer (the conversation; text, or text and image parts).
        used_as: role of the op's output, "what the Variable was used for".
        weight: relative importance.
        group: gradients of one group may be merged into one before an optimizer reads them.
    """

    text: str | None = None
    number: NumberTree = None
    origin: str = ""
    context: str | tuple[Any, ...] = ""
    used_as: str = ""
    weight: float = 1.0
    group: str | None = None

    def described(self, origin: str, used_as: str) -> Gradient:
        """The same gradient with its origin filled in where it is not said yet."""
        if self.origin and self.used_as:
            return self
        return replace(self, origin=self.origin or origin, used_as=self.used_as or used_as)


def as_gradient(value: object) -> Gradient | None:
    """Read what a backward returned for one input: Gradient, text, number or tree of numbers, or None (stop here)."""
    if value is None or isinstance(value, Gradient):
        return value
    if isinstance(value, str):
        return Gradient(text=value)
    return Gradient(number=value)


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
        first, second = cast("dict[str, Any]", left), cast("dict[str, Any]", right)
        if first.keys() == second.keys():
            return {key: add_numbers(first[key], second[key], where) for key in first}
    elif isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        ones, others = cast("Sequence[Any]", left), cast("Sequence[Any]", right)
        if type(left) is type(right) and len(ones) == len(others):
            return type(ones)(add_numbers(a, b, where) for a, b in zip(ones, others, strict=True))  # type: ignore[call-arg]
    elif not isinstance(left, (dict, list, tuple)) and not isinstance(right, (dict, list, tuple)):
        return left + right
    raise GradientStructureError(
        f"Mismatched gradient structures at {where}: {_shape(left)} and {_shape(right)}; "
        "all uses of a value must return gradients of the value's own structure"
    )


def map_numbers(tree: NumberTree, function: Callable[[Any], Any]) -> NumberTree:
    """Apply `function` to every leaf of a number tree."""
    if isinstance(tree, dict):
        return {key: map_numbers(value, function) for key, value in cast("dict[str, Any]", tree).items()}
    if isinstance(tree, (list, tuple)):
        items = cast("Sequence[Any]", tree)
        return type(items)(map_numbers(value, function) for value in items)  # type: ignore[call-arg]
    return function(tree)


def _shape(tree: NumberTree) -> str:
    if isinstance(tree, dict):
        return "{" + ", ".join(str(key) for key in cast("dict[str, Any]", tree)) + "}"
    if isinstance(tree, (list, tuple)):
        return f"{type(cast('Sequence[Any]', tree)).__name__} of {len(cast('Sequence[Any]', tree))}"
    return "a number"
