"""Failures of agents and environments: caught where they happen, recorded in the last step of their rollout."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from envs.execution import describe_exception

T = TypeVar("T")
Part = Literal["agent", "environment"]
_MOST = 4000
"""Characters of what a server said that are told; tracebacks tell most at their end."""


class CaughtError(Exception):
    """An error of an agent or an environment, on its way to the record.

    Attributes:
        part: whose error it is.
        original: the error.
    """

    def __init__(self, part: Part, original: Exception) -> None:
        super().__init__(part, original)
        self.part = part
        self.original = original

    @property
    def text(self) -> str:
        """The error on one line, with its notes and what a server said of it."""
        said = [" ".join(line.split()) for line in _server_said(self.original)]
        return "; ".join([describe_exception(self.original), *getattr(self.original, "__notes__", ()), *said])


def format_error_details(error: BaseException) -> str:
    """An error's message, and below it what the server said whose response the error carries.

    Errors of HTTP clients have it as ``response``: its status, and the ``detail`` of its JSON or else its text.
    """
    return "\n".join([str(error), *_server_said(error)])


def _server_said(error: BaseException) -> list[str]:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if response is None or status is None:
        return []
    try:
        label, said = "Server Traceback:\n", str(response.json()["detail"])
    except (
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RuntimeError,
    ):  # no JSON, no detail, or nothing was read
        label, said = "Response body: ", _text_of(response)
    return [f"Status code: {status}", label + (said if len(said) <= _MOST else f"…{said[-_MOST:]}")]


def _text_of(response: Any) -> str:
    try:
        return str(response.text)
    except (AttributeError, RuntimeError):  # a stream that nobody read has none
        return "not read"


class Clock:
    """Seconds that the parts of a step took, as they go into its metadata: ``time_elapsed_<part>``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Generator[None]:
        """Time a block, also one that fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[f"time_elapsed_{part}"] = time.monotonic() - start


@contextmanager
def catching(part: Part, enabled: bool) -> Generator[None]:
    """Turn what the block raises into a `CaughtError`, if that is enabled."""
    try:
        yield
    except CaughtError:
        raise
    except Exception as error:  # what an author's agent or environment raises can be anything
        if not enabled:
            raise
        raise CaughtError(part, error) from error


async def within(seconds: float | None, work: Awaitable[T], part: Part) -> T:
    """Wait for `work`, at most so many seconds.

    Raises:
        TimeoutError: it takes longer.
    """
    if seconds is None:
        return await work
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await work
    except TimeoutError:
        if not scope.expired():
            raise
        raise TimeoutError(f"the {part} did not answer within {seconds:g} s") from None


async def all_of(tasks: Sequence[asyncio.Future[T]]) -> list[T]:
    """The results of tasks, in order. If one fails, the others are stopped and clean up before its error is raised."""
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await stopped(tasks)


async def stopped(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Stop what is still under way, and wait until it has cleaned up."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
