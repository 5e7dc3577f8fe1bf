"""Libraries that only some environments and servers need."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from textgrad_agents.errors import ConfigError


@contextmanager
def needs(extra: str, what: str) -> Generator[None]:
    """Say which extra to install if an import in this block fails.

    Args:
        extra: the extra that installs them.
        what: what needs them, for the message.

    Raises:
        ConfigError: one of them is not installed.
    """
    try:
        yield
    except ImportError as error:
        name = error.name or str(error)
        raise ConfigError(f"{what} needs {name}; install textgrad-agents[{extra}]") from None
