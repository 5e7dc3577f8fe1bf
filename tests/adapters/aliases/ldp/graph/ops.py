from typing import Any, TypeVar

from textgrad_agents.ops import Grads as GradInType

TOutput_co = TypeVar("TOutput_co", covariant=True)
T = TypeVar("T")


class ResultOrValue:
    """A value, or a result with it."""

    def __class_getitem__(cls, kind: Any) -> Any:
        return Any


__all__ = ["GradInType", "ResultOrValue", "T", "TOutput_co"]
