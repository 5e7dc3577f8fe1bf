"""Shuffled copies, from any kind of seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

if TYPE_CHECKING:
    import numpy as np

    Seed: TypeAlias = int | random.Random | np.random.Generator | None

T = TypeVar("T")


def shuffle(value: Sequence[T], seed: Seed = None) -> Sequence[T]:
    """The members of `value` in random order; `value` stays as it is.

    Args:
        value: any sequence; with a NumPy generator the result is an array.
        seed: a number or a generator; None gives any order.
    """
    if seed is None or isinstance(seed, int):
        seed = random.Random(seed)
    if isinstance(seed, random.Random):
        return seed.sample(value, k=len(value))
    return seed.choice(value, size=len(value), replace=False)  # type: ignore[arg-type, return-value]


class RandomAnnotation:
    """Lets a pydantic model hold a `random.Random`: ``Annotated[random.Random, RandomAnnotation()]``.

    In JSON it is its state.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """A schema that takes a generator or the state of one."""
        write = core_schema.plain_serializer_function_ser_schema(random.Random.getstate, when_used="json")
        return core_schema.no_info_plain_validator_function(_read, serialization=write)


def _read(value: Any) -> random.Random:
    if isinstance(value, random.Random):
        return value
    try:
        version, numbers, gauss = value
        generator = random.Random()
        generator.setstate((version, tuple(numbers), gauss))
    except (TypeError, ValueError, OverflowError):
        raise ValueError("must be a random.Random or the state of one") from None
    return generator
