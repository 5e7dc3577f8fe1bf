"""The calculator: what it calculates, what it refuses, and that nothing takes long."""

from __future__ import annotations

import random
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.math_tasks.calculator import MAX_BITS, MAX_LENGTH, calculate
from textgrad_agents.errors import ToolCallError


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3", 5),
        (" 10 - 4\n", 6),
        ("15 / 3", 5),
        ("7 / 2", 3.5),
        ("17 // 5 + 17 % 5", 5),
        ("-7 // 2", -4),
        ("2 ** 3 ** 2", 512),
        ("2 ** -1", 0.5),
        ("9 ** 0.5", 3),
        ("-2 ** 2", -4),
        ("(2 + 3) * -4", -20),
        ("+7", 7),
        ("4.0", 4),
        ("3.7 + 0.3", 4),
        ("2.5 + 1.2", 3.7),
        ("1e3", 1000),
        ("0x10 + 0b11", 19),
        ("1_000 * 2", 2000),
        ("abs(-5) + 3", 8),
        ("round(3.7)", 4),
        ("round(2.345, 1)", 2.3),
        ("round(1234, -2)", 1200),
        ("min(5, 3, 8) + max(5, 3, 8)", 11),
        ("sum(1, 2, 3)", 6),
        ("sum([1, 2], (3, [4]))", 10),
        ("max([2, 7])", 7),
        ("2 ** 1022", 2**1022),
        ("1 ** 10 ** 300", 1),
        ("(-1) ** (10 ** 300 + 1)", -1),
        ("0 * 1e308", 0),
        ("1e-320 / 10 / 10 / 10 / 10 / 10", 0),
    ],
)
def test_values(expression: str, value: float) -> None:
    result = calculate(expression)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "__import__('os').system('echo hello')",
            "exec('print(1)')",
            "eval('2+2')",
            "open('/etc/passwd')",
            "globals()",
        ),
        *(
            "__builtins__",
            "getattr(int, '__add__')",
            "[x for x in range(10)]",
            "lambda x: x + 1",
            "print(42)",
            "import os",
        ),
        *(
            "().__class__.__bases__",
            "(1).real",
            "(1).__class__",
            "'a' * 10",
            "'1' + '2'",
            "b'1'",
            "f'{1}'",
            "3j",
            "True",
            "None",
        ),
        *(
            "...",
            "1 if 2 else 3",
            "1 < 2",
            "1 and 2",
            "not 1",
            "~1",
            "1 << 2",
            "1 | 2",
            "2 ^ 3",
            "1 @ 2",
            "[1, 2]",
            "(1, 2)",
        ),
        *(
            "{1: 2}",
            "{1}",
            "[1][0]",
            "(x := 5)",
            "x",
            "x = 5",
            "1; 2",
            "1\n2",
            "sum(*[1, 2])",
            "max(1, key=abs)",
            "abs",
            "(abs)(1)(2)",
        ),
        *(
            "2 +",
            "* 3",
            "2 3",
            "((2 + 3)",
            "2 + 3)",
            "",
            " ",
            "1..2",
            "1,000",
            "2(3)",
            "5 apples",
            "\x00",
            "1\x00",
            "\u00b2",
            "\u0661+\u0661",
        ),
        *("round()", "round(1, 2, 3)", "round(1, 0.5)", "abs()", "abs(1, 2)", "min()", "max([])", "sum()"),
        *("1 / 0", "1 // 0", "1 % 0", "0 ** -1", "0.0 ** -1", "(-8) ** 0.5"),
    ],
)
def test_what_is_no_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ToolCallError):
        calculate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        *("2 ** 10 ** 10", "10 ** 10 ** 10 ** 10", "2 ** 1024", "(2 ** 1000) ** 1000", "(10 ** 300) * (10 ** 300)"),
        *("9.9 ** 99999", "1e308 * 10", "1e999", "1e308 + 1e308", "-1e999", "2.0 ** 1024", "10 ** 308 * 1.0 * 10"),
        *(
            "round(5, -1000000000)",
            "round(5, 10 ** 9)",
            "9" * 400,
            "sum(" + "2**1022, " * 4 + "0)",
            "(-3) ** (10 ** 9)",
        ),
        *("(" * 499, "(" * 240 + "1" + ")" * 240, "-" * 499, "[" * 499, "1" + "+1" * 400, "1 " * 250),
        "1" * (MAX_LENGTH + 1),
    ],
)
def test_what_would_take_long_is_refused_fast(expression: str) -> None:
    start = time.process_time()
    calculate("1" + "+1" * 200)
    middle = time.process_time()
    with pytest.raises(ToolCallError) as caught:
        calculate(expression)
    assert len(str(caught.value)) < 700
    assert time.process_time() - middle < 300 * (middle - start)  # the greatest of them would take years


def test_the_longest_sum_and_the_deepest_call_are_not_too_deep() -> None:
    assert calculate("1" + "+1" * 249) == 250
    assert calculate("abs(" * 90 + "1" + ")" * 90) == 1
    assert calculate("-" * 498 + "1") == 1


@given(st.text(alphabet="0123456789.+-*/%()e, abs[]round", max_size=60))
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        value = calculate(text)
    except ToolCallError:
        return
    assert isinstance(value, int | float)
    assert abs(value) < 2 ** (MAX_BITS + 1)


@given(st.text(max_size=80))
def test_any_text_at_all(text: str) -> None:
    with suppress(ToolCallError):
        assert isinstance(calculate(text), int | float)


def test_whole_numbers_agree_with_python() -> None:
    chance = random.Random(0)
    for _ in range(500):
        left, right = chance.randint(-(10**6), 10**6), chance.choice([chance.randint(1, 999), -chance.randint(1, 999)])
        for sign in ("+", "-", "*", "//", "%"):
            assert calculate(f"({left}) {sign} ({right})") == eval(f"({left}) {sign} ({right})")
