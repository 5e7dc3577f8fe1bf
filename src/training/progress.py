"""What a person sees while training runs. Reads events and the meter, knows nothing else of the run.

rich    a live table on a terminal
plain   a line for each thing that finishes, for logs
none    nothing
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TextIO, cast

from rich.console import Console
from rich.live import Live
from rich.table import Table

from textgrad_agents.engines import Meter
from textgrad_agents.events import Event
from training.tables import amount

Kind = Literal["auto", "rich", "plain", "none"]


class Progress(Protocol):
    """Shows events; used as a context manager around the run."""

    def __enter__(self) -> Progress: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, event: Event) -> None:
        """Show one event."""
        ...


def make_progress(
    kind: Kind, iterations: int, episodes: int, meter: Meter | None, stream: TextIO | None = None
) -> Progress:
    """The progress view of a run.

    Args:
        kind: "auto" is "rich" on a terminal and "plain" elsewhere.
        iterations: iterations of the run.
        episodes: episodes collected per iteration.
        meter: counts the calls; None where no model is asked.
        stream: where to write; stderr if None.
    """
    shown: TextIO = sys.stderr if stream is None else stream
    if kind == "auto":
        kind = "rich" if shown.isatty() else "plain"
    state = _State(iterations, episodes, meter)
    if kind == "none":
        return _Nothing()
    return _RichProgress(state, shown) if kind == "rich" else _PlainProgress(state, shown)


class _State:
    """What the events said so far."""

    def __init__(self, iterations: int, episodes: int, meter: Meter | None) -> None:
        self.iterations = iterations
        self.episodes = episodes
        self.meter = meter
        self.started = time.monotonic()
        self.first: int | None = None
        self.iteration = 0
        self.phase = "starting"
        self.rewards: list[float] = []
        self.finished: list[dict[str, Any]] = []

    def take(self, event: Event) -> str | None:
        """Take in an event; returns the line that tells it, if it deserves one."""
        data = cast("Mapping[str, Any]", event.data)
        match event.kind:
            case "iteration_started":
                self.iteration = event.iteration or 0
                self.first = self.iteration if self.first is None else self.first
                self.rewards = []
                self.phase = "collecting"
                return None
            case "episode_finished":
                self.rewards.append(data["reward"])
                failed = f" FAILED: {data['error']}" if data.get("error") else ""
                return (
                    f"iteration {event.iteration}  episode {event.episode}: "
                    f"reward {amount(data['reward'])} in {data['length']} cycles{failed}"
                )
            case "evaluation_finished":
                self.phase = "criticising"
                return None
            case "gate_pair_finished":
                self.phase = f"testing the proposal ({data['pair'] + 1} pairs)"
                return None
            case "iteration_finished":
                self.finished.append({"iteration": event.iteration, **data})
                self.phase = "done"
                told = f"iteration {event.iteration}  average {amount(data['avg_reward'])}  {data['decision']}"
                return f"{told}  [{self.usage()}, {self.eta()}]"
            case "drawing":
                self.phase = "drawing episodes"
                return f"drawing {data['episodes']} episodes"
            case "note":
                return str(data["text"])
            case _:
                return None

    def usage(self) -> str:
        if self.meter is None:
            return "no model calls"
        tally = self.meter.tally()
        tokens = tally.usage.input_tokens + tally.usage.output_tokens
        about = "~" if tally.estimated else ""
        return f"{tally.calls} calls, {about}{tokens} tokens, ${tally.cost_usd:.4f}"

    def eta(self) -> str:
        left = self.iterations - (self.first or 0) - len(self.finished)
        if not self.finished or left <= 0:
            return f"{time.monotonic() - self.started:.0f} s"
        seconds = (time.monotonic() - self.started) / len(self.finished) * left
        return f"{time.monotonic() - self.started:.0f} s, about {seconds:.0f} s left"


class _Nothing:
    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, event: Event) -> None:
        return None


class _PlainProgress:
    def __init__(self, state: _State, stream: TextIO) -> None:
        self._state = state
        self._stream = stream

    def __enter__(self) -> _PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.flush()

    def show(self, event: Event) -> None:
        line = self._state.take(event)
        if line is not None:
            self._stream.write(f"{_printable(line)}\n")
            self._stream.flush()


class _RichProgress:
    def __init__(self, state: _State, stream: TextIO) -> None:
        self._state = state
        self._live = Live(console=Console(file=stream), get_renderable=self._table, refresh_per_second=4)

    def __enter__(self) -> _RichProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        line = self._state.take(event)
        if line is not None and event.kind == "note":
            self._live.console.print(_printable(line), markup=False, highlight=False)

    def _table(self) -> Table:
        state = self._state
        table = Table(
            title=f"iteration {state.iteration + 1} of {state.iterations}: {state.phase}", title_justify="left"
        )
        for name in ("iteration", "average", "least", "greatest", "learned"):
            table.add_column(name, justify="left" if name == "learned" else "right")
        for row in state.finished:
            numbers = (amount(row[key]) for key in ("avg_reward", "min_reward", "max_reward"))
            table.add_row(str(row["iteration"]), *numbers, _learned(row))
        if state.rewards and state.phase != "done":
            mean = sum(state.rewards) / len(state.rewards)
            done = f"{len(state.rewards)}/{state.episodes} episodes"
            table.add_row(
                str(state.iteration), amount(mean), amount(min(state.rewards)), amount(max(state.rewards)), done
            )
        table.caption = f"{state.usage()}; {state.eta()}"
        return table


def _learned(row: Mapping[str, Any]) -> str:
    """What became of texts and of weights in an iteration, in a few words."""
    accepted, weights = row.get("accepted"), row.get("weights")
    words = [] if accepted is None else ["accepted" if accepted else "kept"]
    if weights is not None:
        count = "1 step" if weights["steps"] == 1 else f"{weights['steps']} steps"
        words.append(f"{count} on {weights['rows'] - weights['skipped_rows']} of {weights['rows']} rows")
    return "; ".join(words) or "nothing learns"


def _printable(text: str) -> str:
    """Without control characters, so that a model's words cannot steer the terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
