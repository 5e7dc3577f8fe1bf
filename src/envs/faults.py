"""What environments do wrong is theirs to answer for: it ends an episode, never a run.

An environment is somebody else's code. Whatever it raises becomes an EnvError that names it, and one that does not come
back from being closed is left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from envs.base import MultiAgentEnvironment
from textgrad_agents.errors import EnvError, TextgradAgentsError

CLOSING_SECONDS = 10.0


@contextmanager
def guarded(name: str, what: str) -> Generator[None]:
    """Turn whatever the code of `name` raises while it is to do `what` into an EnvError; our own errors stay."""
    try:
        yield
    except TextgradAgentsError:
        raise
    except Exception as error:
        raise EnvError(f"{name} failed to {what}: {type(error).__name__}: {error}") from error


def close(environment: MultiAgentEnvironment) -> str | None:
    """Close an environment; returns what went wrong, None if nothing did."""
    try:
        close_in_time(environment.name, environment.close)
    except EnvError as error:
        return str(error)
    return None


def close_in_time(name: str, how: Callable[[], object]) -> None:
    """Close what is called `name`; what is not closed in time is left to a thread that ends with the process.

    Raises:
        EnvError: it is not closed after `CLOSING_SECONDS`, or closing it failed.
    """
    problems: list[TextgradAgentsError] = []

    def run() -> None:
        try:
            with guarded(name, "close"):
                how()
        except TextgradAgentsError as error:
            problems.append(error)

    thread = threading.Thread(target=run, name=f"close {name}", daemon=True)
    thread.start()
    thread.join(CLOSING_SECONDS)
    if thread.is_alive():
        raise EnvError(f"{name} did not close within {CLOSING_SECONDS:g} s and was left behind")
    if problems:
        raise EnvError(str(problems[0])) from problems[0]
