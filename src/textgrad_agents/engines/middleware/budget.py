"""`Budget`: what a run may spend, reserved before each call and settled after it.

The account is a SQLite file that threads and processes share, so that together they spend no more than one of them
could. What a call may cost at most is reserved before it is sent; what is not known to have been used is owed in full.
A settlement is written with the next reservation of its process, or at once if fewer calls are under way than were
settled; a process that ends before leaves its reservations, which are then owed in full.
"""

from __future__ import annotations

import math
import os
import platform
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from textgrad_agents.databases import Database
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.errors import BudgetError, ConfigError

_NANO = 1_000_000_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spent (
    id INTEGER PRIMARY KEY CHECK (id = 1), nano_usd INTEGER NOT NULL, tokens INTEGER NOT NULL, calls INTEGER NOT NULL
);
INSERT OR IGNORE INTO spent VALUES (1, 0, 0, 0);
CREATE TABLE IF NOT EXISTS reserved (
    id INTEGER PRIMARY KEY, process TEXT NOT NULL, nano_usd INTEGER NOT NULL, tokens INTEGER NOT NULL
)
"""
_HELD = "SELECT COALESCE(SUM(nano_usd), 0), COALESCE(SUM(tokens), 0) FROM reserved"
_WAY_OUT = "nothing was sent; what is finished is kept, and with a larger budget the run goes on from here"


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent, with what is owed for calls whose usage nobody counted."""

    usd: float
    tokens: int
    calls: int


class Budget:
    """What may be spent.

    Args:
        usd: dollars; None for no limit.
        calls: calls, each try for itself.
        tokens: tokens asked and answered.
        hours: hours since this object was made.
        path: file of the account; None keeps it in memory. Limits are not in the file: who opens it sets them.

    Raises:
        ConfigError: a limit is no positive number.
        FileFormatError: the file is no account.
    """

    def __init__(
        self,
        *,
        usd: float | None = None,
        calls: int | None = None,
        tokens: int | None = None,
        hours: float | None = None,
        path: Path | None = None,
    ) -> None:
        for name, limit in {"usd": usd, "calls": calls, "tokens": tokens, "hours": hours}.items():
            if limit is not None and not (math.isfinite(limit) and limit > 0):
                raise ConfigError(f"a budget must be a number above 0, got {name}={limit}")
        self.usd = usd
        self.calls = calls
        self.tokens = tokens
        self.hours = hours
        self._start = time.monotonic()
        self._process = os.getpid()
        self._under_way = 0
        self._settled: list[tuple[int, int, int]] = []
        self._lock = threading.RLock()
        self._database = Database(path, _SCHEMA, what="budget file")

    def reserve(self, usd: float, tokens: int) -> int | None:
        """Set aside what a call may cost at most, and count the call.

        Returns:
            A number to settle by; None if there is not enough left for now, but calls that are under way may leave
            enough.

        Raises:
            BudgetError: there is not enough left.
        """
        nano = math.ceil(usd * _NANO)
        with self._account() as rows:
            spent_nano, spent_tokens, spent_calls = rows.execute("SELECT nano_usd, tokens, calls FROM spent").fetchone()
            refusal = self._refusal(spent_nano, spent_tokens, spent_calls, nano, tokens)
            reservation = (
                None if refusal else self._reserve(rows, spent_nano + nano, spent_tokens + tokens, nano, tokens)
            )
        if refusal:
            raise make_fault("budget", f"{refusal}; {_WAY_OUT}", BudgetError)
        return reservation

    def settle(self, reservation: int, usd: float, tokens: int) -> None:
        """Charge what a call used, and free the rest of its reservation."""
        with self._lock:
            self._settled.append((reservation, math.ceil(usd * _NANO), tokens))
            self._under_way -= 1
            if len(self._settled) > self._under_way:
                self._write()

    def spent(self) -> Spent:
        """What was spent so far; reservations are not in it."""
        self._write()
        ((nano, tokens, calls),) = self._database.read("SELECT nano_usd, tokens, calls FROM spent")
        assert isinstance(nano, int)
        assert isinstance(tokens, int)
        assert isinstance(calls, int)
        return Spent(nano / _NANO, tokens, calls)

    def close(self) -> None:
        """Close the file."""
        self._write()
        self._database.close()

    @contextmanager
    def _account(self) -> Generator[sqlite3.Connection, None, None]:
        """The account in a transaction, with all that was settled here."""
        with self._lock:
            if self._process != os.getpid():  # what was under way before a fork is the parent's
                self._process, self._under_way, self._settled = os.getpid(), 0, []
            with self._database.transaction() as rows:
                for reservation, nano, tokens in self._settled:
                    rows.execute("DELETE FROM reserved WHERE id = ?", (reservation,))
                    _charge(rows, nano, tokens)
                yield rows
            self._settled.clear()

    def _write(self) -> None:
        with self._account():
            pass

    def _reserve(
        self, rows: sqlite3.Connection, nano: int, tokens: int, call_nano: int, call_tokens: int
    ) -> int | None:
        """Set a call's part aside, if what is spent and held leaves room for it."""
        held_nano, held_tokens = rows.execute(_HELD).fetchone()
        if not self._fits(nano + held_nano, tokens + held_tokens):
            _charge_the_dead(rows)
            return None
        rows.execute("UPDATE spent SET calls = calls + 1")
        self._under_way += 1
        row = _own(os.getpid()), call_nano, call_tokens
        return rows.execute("INSERT INTO reserved (process, nano_usd, tokens) VALUES (?, ?, ?)", row).lastrowid

    def _fits(self, nano: int, tokens: int) -> bool:
        return (self.usd is None or nano <= self.usd * _NANO) and (self.tokens is None or tokens <= self.tokens)

    def _refusal(self, nano: int, tokens: int, calls: int, call_nano: int, call_tokens: int) -> str:
        """Why a call would not fit even if no other were under way; "" if it would."""
        if self.hours is not None and time.monotonic() - self._start > self.hours * 3600:
            return f"the {self.hours:g} hours of the run are over"
        if self.calls is not None and calls >= self.calls:
            return f"the budget of {self.calls} calls is spent"
        if not self._fits(nano + call_nano, 0):
            return (
                f"of {self.usd:g} USD {nano / _NANO:.6g} are spent, and the next call may cost {call_nano / _NANO:.6g}"
            )
        if not self._fits(0, tokens + call_tokens):
            return f"of {self.tokens} tokens {tokens} are spent, and the next call may use {call_tokens}"
        return ""


def _charge(rows: sqlite3.Connection, nano: int, tokens: int) -> None:
    rows.execute("UPDATE spent SET nano_usd = nano_usd + ?, tokens = tokens + ?", (nano, tokens))


def _charge_the_dead(rows: sqlite3.Connection) -> None:
    """Charge what processes had reserved that ended before they settled."""
    holders = {holder for (holder,) in rows.execute("SELECT DISTINCT process FROM reserved")}
    for holder in holders:
        if not _alive(holder):
            nano, tokens = rows.execute(f"{_HELD} WHERE process = ?", (holder,)).fetchone()
            rows.execute("DELETE FROM reserved WHERE process = ?", (holder,))
            _charge(rows, nano, tokens)


def _process(pid: int) -> str:
    """A name for a process of this machine that no other process ever has."""
    return f"{platform.node()} {pid} {_started(pid)}"


_own = lru_cache(maxsize=1)(_process)


def _started(pid: int) -> str:
    """When a running process started, in the system's clock ticks; "" where that cannot be told."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else fields[18]


def _alive(process: str) -> bool:
    """Whether a process still runs; those of other machines are taken to."""
    node, pid, _ = process.rsplit(" ", 2)
    if node != platform.node():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process == _process(int(pid))
