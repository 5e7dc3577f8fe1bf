"""What environments do wrong is theirs to answer for: it ends an episode, never a run.

An environment is somebody else's code. Whatever it raises becomes an EnvError that names it, and one that does not come
back from being closed is left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
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


def close(environment: MultiAgentEnvironment, seconds: float = CLOSING_SECONDS) -> str | None:
    """Close an environment; one that has not closed after `seconds` is left to a thread that ends with the process.

    Returns:
        What went wrong, None if nothing did.
    """
    problems: list[str] = []

    def run() -> None:
        try:
            with guarded(environment.name, "close"):
                environment.close()
        except TextgradAgentsError as error:
            problems.append(str(error))

    thread = threading.Thread(target=run, name=f"close {environment.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return f"{environment.name} did not close within {seconds:g} s and was left behind"
    return problems[0] if problems else None
