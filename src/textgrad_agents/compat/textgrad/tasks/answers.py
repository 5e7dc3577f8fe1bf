"""Reading answers out of replies."""

from __future__ import annotations

import re
from typing import Any

_LETTER = re.compile(r"answer\s*:\s*([A-D])", re.IGNORECASE)


def parse_integer_answer(answer: str, only_first_line: bool = False) -> int:
    """The whole number in the last word that holds a digit; 0 if there is none.

    Args:
        answer: the reply.
        only_first_line: look at its first line alone.
    """
    text = answer.strip()
    words = (text.split("\n")[0] if only_first_line else text).split()
    numbers = [word for word in words if any(character.isdigit() for character in word)]
    digits = re.sub(r"\D", "", numbers[-1].split(".")[0]) if numbers else ""
    return int(digits) if digits else 0


def string_based_equality_fn(prediction: Any, ground_truth_answer: Any) -> int:
    """1 if the last whole numbers of two Variables (or texts) agree, else 0."""
    values = [str(getattr(one, "value", one)) for one in (prediction, ground_truth_answer)]
    return int(parse_integer_answer(values[0]) == parse_integer_answer(values[1]))


def eval_string_based(response_text: str, correct_answer: str) -> float:
    """1.0 if a reply says ``Answer: X`` with the right letter first, else 0.0."""
    found = _LETTER.search(response_text)
    return 1.0 if found and found.group(1).upper() == correct_answer else 0.0
