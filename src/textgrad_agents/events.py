"""Events: what happened in a run, one small record each. Whatever shows a run reads these and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import parse_json
from textgrad_agents.validation import explain

SCHEMA_VERSION = 1

_Index = Annotated[int, Field(strict=True, ge=0)]


class Event(BaseModel):
    """One thing that happened.

    Attributes:
        version: of this schema.
        time: when, in seconds since 1970 (UTC).
        run: name of the run.
        kind: what happened (``episode``, ``update``, …).
        iteration: training iteration it belongs to.
        episode: episode it belongs to.
        data: further facts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1] = SCHEMA_VERSION
    time: Annotated[float, Field(strict=True, allow_inf_nan=False)]
    run: str
    kind: Annotated[str, Field(min_length=1)]
    iteration: _Index | None = None
    episode: _Index | None = None
    data: dict[str, JsonValue] = Field(default_factory=dict[str, JsonValue])

    @classmethod
    def now(cls, run: str, kind: str, *, iteration: int | None = None, episode: int | None = None, **data: Any) -> Self:
        """An event that happens at this moment."""
        return cls(time=time.time(), run=run, kind=kind, iteration=iteration, episode=episode, data=data)

    def to_line(self) -> str:
        """The event as one line of JSON."""
        return self.model_dump_json(exclude_none=False) + "\n"


class Logger(Protocol):
    """Keeps events."""

    def log(self, event: Event) -> None:
        """Keep one event."""
        ...

    def close(self) -> None:
        """Release what the logger holds; it takes no further events."""
        ...


def read_events(path: Path) -> Iterator[Event]:
    """The events in a file of lines. A last line that was cut off in writing is left out.

    Raises:
        FileFormatError: the file is missing, or a whole line of it is no event.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise FileFormatError(f"event file {path} cannot be read: {error.strerror or error}") from None
    with stream:
        for number, line in enumerate(stream, start=1):
            if line.endswith(b"\n"):
                yield _parse(line, f"event file {path}, line {number}")


def _parse(line: bytes, name: str) -> Event:
    try:
        value = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name} is not JSON ({error}); delete the line") from None
    try:
        return Event.model_validate(value)
    except ValidationError as error:
        problems = explain(error, fields=list(Event.model_fields))
    raise FileFormatError(f"{name}: {problems}; delete the line")
