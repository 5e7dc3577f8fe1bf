"""The backward engine of the whole program: TextGrad's global setting, the only one here."""

from __future__ import annotations

from typing import Any

from textgrad_agents.compat.textgrad.engine import EngineLM, get_engine
from textgrad_agents.errors import ConfigError


class SingletonBackwardEngine:
    """The one holder of the backward engine; every call of the class gives the same object."""

    _instance: SingletonBackwardEngine | None = None
    engine: Any = None

    def __new__(cls) -> SingletonBackwardEngine:
        """The one object."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def set_engine(self, engine: Any, override: bool = False) -> None:
        """Set the engine.

        Raises:
            ConfigError: there is one and `override` is false.
        """
        if self.engine is not None and not override:
            raise ConfigError(f"the backward engine is {self.engine!r} already; pass override=True to change it")
        self.engine = engine

    def get_engine(self) -> Any:
        """The engine, or None."""
        return self.engine


def set_backward_engine(engine: EngineLM | str | Any, override: bool = False, **kwargs: Any) -> None:
    """Set the engine of critics, losses and optimizers that are given none.

    Args:
        engine: an engine of either kind, or a name for `get_engine`.
        override: replace the one that is set.
        kwargs: arguments for `get_engine`.
    """
    SingletonBackwardEngine().set_engine(get_engine(engine, **kwargs) if isinstance(engine, str) else engine, override)


def validate_engine_or_get_default(engine: EngineLM | str | Any | None) -> Any:
    """`engine`, by its name or as an object; the backward engine if None.

    Raises:
        ConfigError: None is given and none is set.
    """
    if engine is None:
        engine = SingletonBackwardEngine().get_engine()
    if engine is None:
        raise ConfigError("no engine: pass engine=…, or call set_backward_engine(…) first")
    return get_engine(engine) if isinstance(engine, str) else engine
