"""Putting values together: ``+``, joining, grouping. No model is asked, forward or backward.

Feedback on the whole is handed to each part as it is: once, however many ways lead to the part, and not one character
longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textgrad_agents.ops.base import Op, straight_through
from textgrad_agents.variables.call import BackwardContext, CallID, Input
from textgrad_agents.variables.gradient import NumberTree
from textgrad_agents.variables.variable import Variable

_COMBINATION = "a combination of the following: "


class _Whole(Op):
    """An op whose parts receive the whole's gradient."""

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        return joined_roles(inputs)

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        return straight_through(ctx, input_args, input_kwargs, grad_output)


class _Add(_Whole):
    name = "add"

    def forward(self, left: Any, right: Any) -> Any:
        return left + right

    def output_role(self, inputs: tuple[Input, ...]) -> str:
        return " and ".join(_distinct(inputs, " and "))


class _Concat(_Whole):
    name = "concat"

    def forward(self, *parts: Any, separator: str = "") -> str:
        return separator.join(str(one) for one in parts)


class _Sum(_Concat):
    name = "sum"


class _Aggregate(_Concat):
    name = "aggregate"

    def backward(
        self,
        ctx: BackwardContext,
        input_args: list[Any],
        input_kwargs: dict[str, Any],
        grad_output: NumberTree,
        call_id: CallID,
    ) -> Any:
        group = f"{self.name} {call_id.run_id}.{call_id.fwd_id}"
        words = tuple(one if one.group or not one.text else replace(one, group=group) for one in ctx.words)
        grouped = BackwardContext(ctx.call, ctx.output, words, ctx.critic)
        return straight_through(grouped, input_args, input_kwargs, grad_output)


_add, _concat, _sum, _aggregate = _Add(), _Concat(), _Sum(), _Aggregate()


def add(left: Any, right: Any) -> Variable[Any]:
    """``left + right`` of two values, at least one of them a Variable: texts are put together, numbers added."""
    if type(left) is int and left == 0:  # so that the built-in sum() has where to start
        return right
    return _add(left, right)


def concat(*parts: Any, separator: str = "") -> Variable[str]:
    """The parts as one text, one after the other."""
    return _concat(*parts, separator=separator) if separator else _concat(*parts)


def sum(variables: Sequence[Any]) -> Variable[str]:
    """The values as one text, a line each. Its backward asks each of them how to become better."""
    return _sum(*variables, separator="\n")


def aggregate(variables: Sequence[Any]) -> Variable[str]:
    """As `sum`; the feedback that its parts receive forms a group, to be merged before an optimizer reads it."""
    return _aggregate(*variables, separator="\n")


def joined_roles(inputs: tuple[Input, ...]) -> str:
    """The role of a combination; a combination of combinations names each part once."""
    return _COMBINATION + ", ".join(_distinct(inputs, ", "))


def _distinct(inputs: tuple[Input, ...], separator: str) -> list[str]:
    roles = (variable.role_description.removeprefix(_COMBINATION) for _, variable in inputs)
    return list(dict.fromkeys(part for role in roles for part in role.split(separator)))


Variable.add = add
