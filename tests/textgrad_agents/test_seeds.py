"""Seeds depend on the place alone, and different places differ."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.seeds import derive_seed, text_hash

places = st.lists(st.integers() | st.text(max_size=5), min_size=1, max_size=5).map(tuple)


@given(place=places)
def test_a_seed_is_a_63_bit_number(place: tuple[str | int, ...]) -> None:
    assert 0 <= derive_seed(*place) < 2**63


@given(one=places, other=places)
def test_different_places_have_different_seeds(one: tuple[str | int, ...], other: tuple[str | int, ...]) -> None:
    assert (derive_seed(*one) == derive_seed(*other)) == (one == other)


def test_parts_do_not_run_into_each_other() -> None:
    assert derive_seed("a", "bc") != derive_seed("ab", "c")
    assert derive_seed(1) != derive_seed("1")
    assert derive_seed("a") != derive_seed("a", "")


def test_seeds_and_hashes_are_the_same_in_every_process() -> None:
    program = "from textgrad_agents.seeds import *; print(derive_seed(0, 'train', 3, 'piston_1'), text_hash('policy'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{derive_seed(0, 'train', 3, 'piston_1')} {text_hash('policy')}\n"}


@given(text=st.text())
def test_a_text_hash_is_16_hex_digits(text: str) -> None:
    assert len(text_hash(text)) == 16
    assert set(text_hash(text)) <= set("0123456789abcdef")
