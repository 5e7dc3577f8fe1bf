"""Cutting long texts to a token budget so that everyone can see what was cut."""

from __future__ import annotations

from collections.abc import Sequence

from textgrad_agents.engines.base import estimate_tokens


def cut(text: str, tokens: int) -> str:
    """`text` in about `tokens` tokens: its beginning and its end, and between them how much is missing."""
    size, tokens = estimate_tokens(text), max(tokens, 0)
    if size <= tokens:
        return text
    kept = len(text) * tokens // size
    head, tail = kept - kept // 2, kept // 2
    return f"{text[:head]}[… {size - tokens} tokens cut …]{text[len(text) - tail :]}"


def fit(texts: Sequence[str], tokens: int) -> list[str]:
    """Cut the longest of `texts` until all together have about `tokens` tokens; short ones stay whole."""
    sizes = [estimate_tokens(text) for text in texts]
    allowed = dict(enumerate(sizes))
    left = max(tokens, 0)
    for place, index in enumerate(sorted(range(len(texts)), key=sizes.__getitem__)):
        allowed[index] = min(sizes[index], left // (len(texts) - place))
        left -= allowed[index]
    return [cut(text, allowed[index]) for index, text in enumerate(texts)]
