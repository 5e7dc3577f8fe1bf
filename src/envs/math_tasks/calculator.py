"""Arithmetic on numbers that are written down, and nothing else.

An expression is parsed, never evaluated by Python: numbers, ``+ - * / // % **``, parentheses, and abs, round, min, max
and sum. Results have at most `MAX_BITS` bits, and a power is checked before it is taken, so nothing takes long.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from textgrad_agents.errors import ToolCallError

Number: TypeAlias = int | float

MAX_LENGTH = 500
MAX_BITS = 1023  # what a float can hold

_TOO_LARGE = f"a number here may have {MAX_BITS} bits (about 308 digits), and a result would have more"


def calculate(expression: str) -> Number:
    """The value of an expression; whole numbers are ints.

    Raises:
        ToolCallError: it is none, divides by zero, or a number in it or on the way is too large.
    """
    written = expression.strip()
    if len(written) > MAX_LENGTH:
        raise ToolCallError(f"an expression may have {MAX_LENGTH} characters, and this one has {len(written)}")
    try:
        value = _value(ast.parse(written, mode="eval").body)
    except ZeroDivisionError:
        raise ToolCallError("Division by zero is not allowed") from None
    except OverflowError:
        raise ToolCallError(_TOO_LARGE) from None
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        if isinstance(error, ToolCallError):
            raise
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ToolCallError(f"{written!r} is no expression of arithmetic ({reason})") from None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _value(node: ast.AST) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _checked(value)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            value = _value(operand)
            return -value if isinstance(sign, ast.USub) else value
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            return _checked(_OPERATORS[type(sign)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _checked(_FUNCTIONS[name](_values(arguments)))
        case ast.Call(func=ast.Name(id=name)):
            raise ToolCallError(f"there is no function {name!r} here; there are {', '.join(_FUNCTIONS)}")
        case _:
            what = type(node).__name__
            raise ToolCallError(
                f"{ast.unparse(node)[:60]!r} ({what}) is not arithmetic on numbers that are written down"
            )


def _values(nodes: list[ast.expr]) -> list[Number]:
    """Arguments of a function; those in brackets count one by one."""
    values: list[Number] = []
    for node in nodes:
        values += _values(node.elts) if isinstance(node, ast.List | ast.Tuple) else [_value(node)]
    return values


def _checked(value: Any) -> Number:
    if isinstance(value, complex):
        raise ToolCallError("a root of a negative number is no real number")
    if value.bit_length() > MAX_BITS if isinstance(value, int) else not math.isfinite(value):
        raise ToolCallError(_TOO_LARGE)
    return value


def _power(base: Number, exponent: Number) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        least_bits = exponent * (abs(base).bit_length() - 1)
        if least_bits > MAX_BITS:
            raise ToolCallError(_TOO_LARGE)
    return base**exponent


def _round(values: list[Number]) -> Number:
    number, digits = values if len(values) == 2 else (values[0], 0) if len(values) == 1 else (0, None)
    if not isinstance(digits, int) or abs(digits) > MAX_BITS:
        raise ToolCallError("round takes a number and perhaps a number of digits")
    return round(number, digits)


def _abs(values: list[Number]) -> Number:
    if len(values) != 1:
        raise ToolCallError(f"abs takes one number, not {len(values)}")
    return abs(values[0])


def _of_some(name: str, function: Callable[[list[Number]], Number]) -> Callable[[list[Number]], Number]:
    def call(values: list[Number]) -> Number:
        if not values:
            raise ToolCallError(f"{name} takes at least one number")
        return function(values)

    return call


_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: _power,
}
_FUNCTIONS: Mapping[str, Callable[[list[Number]], Number]] = {
    "abs": _abs,
    "round": _round,
    "min": _of_some("min", min),
    "max": _of_some("max", max),
    "sum": _of_some("sum", sum),
}
