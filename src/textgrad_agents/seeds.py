"""Seeds: every random choice has a seed derived from its place in the run.

A place is a tuple such as ``(run seed, "train", iteration, episode, step, agent)``. The same place gives the same
seed in every process and on every machine, so results never depend on the order in which work happens to finish.
"""

from __future__ import annotations

from hashlib import blake2b

SEED_BITS = 63


def derive_seed(*place: str | int) -> int:
    """Seed of a place: a non-negative integer below 2**63.

    The parts are length-prefixed before hashing, so ``("a", "bc")`` and ``("ab", "c")`` are different places.
    """
    digest = blake2b(digest_size=8)
    for part in place:
        text = f"{type(part).__name__}:{part}".encode()
        digest.update(f"{len(text)}:".encode() + text)
    return int.from_bytes(digest.digest(), "big") >> (64 - SEED_BITS)


def text_hash(text: str) -> str:
    """Short content hash of a text (16 hex digits), used for policy and prompt versions."""
    return blake2b(text.encode(), digest_size=8).hexdigest()
