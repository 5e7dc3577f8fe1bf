"""What is a number and what is not."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.numbers import read_number, same_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        (" -7\n", -7),
        ("+0", 0),
        ("\N{MINUS SIGN}3", -3),
        ("1,234,567", 1234567),
        ("1,234.50", Fraction(2469, 2)),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("007", 7),
        ("2E3", 2000),
        ("-1.5e-2", Fraction(-3, 200)),
        ("3/4", Fraction(3, 4)),
        ("-6 / 4", Fraction(-3, 2)),
        ("1e999", 10**999),
    ],
)
def test_numbers(text: str, number: Fraction | int) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            ".",
            "-",
            "e5",
            "--5",
            "+-5",
            "1 2",
            "1,23",
            "12,34,567",
            "1234,567",
            "1,234,5",
            "1_000",
            "0x10",
            "5e",
        ),
        *("1e1000", "3/0", "1.5/2", "3/4/5", "inf", "nan", "-Infinity", "١٢", "²", "½", "$5", "5%", "5 apples", "five"),
        *("__import__('os')", "2+2", "2**10**10", "(5)", "True", "None", "5; 6", "5\x00", "1" * 101, "1e9" * 50),
    ],
)
def test_texts_that_are_no_numbers(text: str) -> None:
    assert read_number(text) is None


@given(st.text(max_size=120))
def test_every_text_is_a_number_or_not(text: str) -> None:
    read_number(text)


@given(st.integers(), st.integers(1, 10**6))
def test_ratios_and_groups_of_three_are_read_back(above: int, below: int) -> None:
    if len(f"{above}/{below}") <= 100:
        assert read_number(f"{above}/{below}") == Fraction(above, below)
        assert read_number(f"{above:,}") == above


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_decimals_are_exact(number: object) -> None:
    assert read_number(str(number)) == Fraction(str(number))


@pytest.mark.parametrize(
    ("number", "other", "rel_tol", "same"),
    [
        ("100000", "100001", 0.0, False),
        ("100000", "100001", 1e-4, True),
        ("0.00000002", "0", 1e-4, False),
        ("0.000000009", "0", 1e-4, True),
        ("-5", "5", 1e-4, False),
        ("1e999", "1e999", 0.0, True),
        ("1e999", "5", 1e-4, False),
    ],
)
def test_numbers_are_the_same_within_a_tolerance(number: str, other: str, rel_tol: float, same: bool) -> None:
    left, right = read_number(number), read_number(other)
    assert left is not None
    assert right is not None
    assert same_number(left, right, rel_tol) is same
