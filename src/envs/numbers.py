"""Numbers as people write them, read exactly. A text is a number or it is not; nothing is evaluated.

A number has digits, perhaps with a comma before each group of three, perhaps a decimal point and a power of ten
(``1,234.5``, ``.5``, ``-2e3``), or is a ratio of two whole numbers (``3/4``). Words, units and currency signs are no
part of it.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_LENGTH = 100

_DECIMAL = re.compile(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)?(\.[0-9]*)?(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
_RATIO = re.compile(r"([0-9]+) ?/ ?([0-9]+)")


def read_number(text: str) -> Fraction | None:
    """The number that `text` is, or None if it is none."""
    written = text.strip()
    if len(written) > MAX_LENGTH:
        return None
    sign = -1 if written[:1] in ("-", "\N{MINUS SIGN}") else 1
    size = _size(written[1:] if written[:1] in ("+", "-", "\N{MINUS SIGN}") else written)
    return None if size is None else sign * size


def same_number(number: Fraction, other: Fraction, rel_tol: float = 0.0) -> bool:
    """Whether two numbers are equal, or differ by less than `rel_tol` of the other (and a little more near zero)."""
    tolerance = Fraction(rel_tol)
    return number == other or abs(number - other) < tolerance * (abs(other) + tolerance)


def _size(digits: str) -> Fraction | None:
    ratio = _RATIO.fullmatch(digits)
    if ratio is not None:
        above, below = map(int, ratio.groups())
        return Fraction(above, below) if below else None
    decimal = _DECIMAL.fullmatch(digits)
    if decimal is None or not any(map(str.isdigit, (decimal[1] or "") + (decimal[2] or ""))):
        return None
    return Fraction(digits.replace(",", ""))
