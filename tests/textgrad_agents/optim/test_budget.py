from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.optim.budget import cut, fit

CUT = re.compile(r"\[… \d+ tokens cut …\]")
plain = st.text(alphabet="abcdefg .\n", max_size=400)


@given(plain, st.integers(-5, 120))
def test_cutting_keeps_both_ends_and_says_how_much_is_missing(text: str, tokens: int) -> None:
    short = cut(text, tokens)
    if estimate_tokens(text) <= max(tokens, 0):
        assert short == text
        return
    [marker] = CUT.findall(short)
    head, tail = short.split(marker)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + len(tail) < len(text)
    missing = int(re.findall(r"\d+", marker)[0])
    assert missing == estimate_tokens(text) - max(tokens, 0)


@given(st.lists(plain, max_size=8), st.integers(0, 400))
def test_fitting_cuts_the_longest_and_only_as_much_as_needed(texts: list[str], tokens: int) -> None:
    fitted = fit(texts, tokens)
    assert len(fitted) == len(texts)
    sizes = [estimate_tokens(text) for text in texts]
    whole = [size for size, text, short in zip(sizes, texts, fitted, strict=True) if text == short]
    parts = [size for size, text, short in zip(sizes, texts, fitted, strict=True) if text != short]
    assert not parts or not whole or max(whole) <= min(parts)
    assert bool(parts) == (sum(sizes) > tokens)
