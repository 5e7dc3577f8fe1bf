"""`Journal`: a SQLite file with what a run was told and what it finished.

calls       every reply, by the key of its call, with what it used and cost
facts       what was found out once and is never found out anew: when the run began, what it began with
iterations  the numbers of each iteration that is finished

Nothing in it is changed or removed, but for an iteration that is finished anew. Files on the disk of this machine use
the write-ahead log; on network file systems the older journal of SQLite is used, see `databases`.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from textgrad_agents.databases import Database
from textgrad_agents.engines.middleware import Tally
from textgrad_agents.errors import FileFormatError
from textgrad_agents.interfaces import EngineRole
from textgrad_agents.journal.commits import GroupCommit
from textgrad_agents.journal.outcomes import Outcome, dump, load, usage_of
from textgrad_agents.messages import Usage

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS calls (
    key BLOB PRIMARY KEY, place TEXT NOT NULL, role TEXT NOT NULL, engine TEXT NOT NULL, outcome BLOB NOT NULL,
    failed INTEGER NOT NULL, charged INTEGER NOT NULL, estimated INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, reasoning_tokens INTEGER NOT NULL,
    nano_usd INTEGER, time REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_place ON calls (place);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS iterations (iteration INTEGER PRIMARY KEY, numbers TEXT NOT NULL)
"""
_NANO = 10**9
_AT_ONCE = 500
"""Rows per statement: each statement costs a turn of the interpreter's lock, and one holds at most 32766 values."""


class Call(NamedTuple):
    """A call that is to be recorded.

    Attributes:
        key: of the call; see `Journaled`.
        place: where in the run it was made.
        role: which part it plays.
        engine: name of the engine.
        outcome: how it ended.
        cost: USD, None if the price is not known.
    """

    key: bytes
    place: str
    role: EngineRole
    engine: str
    outcome: Outcome
    cost: float | None


class Journal:
    """The journal in a file; several threads may use it, and one process at a time may write.

    Args:
        path: the file; it is made with its folder.

    Raises:
        FileFormatError: the file is damaged, of another version, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path, _SCHEMA, version=SCHEMA_VERSION, what="journal", synchronous="FULL")
        self._commits = GroupCommit[Call](self._insert)
        self._known: set[bytes] = set()

    # -- calls ---------------------------------------------------------------------------------------------------

    def begin(self, place: str) -> int:
        """Get ready to look for the calls of a place; returns how many are recorded there."""
        rows = self._database.read("SELECT key FROM calls WHERE place = ?", (place,))
        self._known = {cast("bytes", key) for (key,) in rows}
        return len(self._known)

    def find(self, key: bytes) -> Outcome | None:
        """How a call of the place that was begun last ended, None if it is not recorded.

        Raises:
            FileFormatError: the record is damaged.
        """
        if key not in self._known:
            return None
        [(data,)] = self._database.read("SELECT outcome FROM calls WHERE key = ?", (key,))
        try:
            return load(cast("bytes", data))
        except (ValueError, LookupError, TypeError) as error:
            raise FileFormatError(
                f"journal {self.path} holds a reply that cannot be read ({error}); restore it from a copy"
            ) from None

    async def record(self, call: Call) -> None:
        """Come back when the call is committed.

        Raises:
            FileFormatError: the file cannot be written.
        """
        await self._commits.add(call)
        self._known.add(call.key)

    def tallies(self, place: str | None = None) -> dict[EngineRole, Tally]:
        """What the recorded calls of a place, or all, used: by role."""
        where, values = ("", ()) if place is None else ("WHERE place = ?", (place,))
        rows = self._database.read(
            "SELECT role, count(*), sum(failed), sum(estimated), sum(charged AND nano_usd IS NULL), sum(input_tokens), "
            "sum(output_tokens), sum(cached_tokens), sum(reasoning_tokens), coalesce(sum(nano_usd), 0) "
            f"FROM calls {where} GROUP BY role ORDER BY role",
            values,
        )
        tallies: dict[EngineRole, Tally] = {}
        for role, calls, failed, estimated, unpriced, *tokens, nano in cast("list[Any]", rows):
            usage = Usage(*tokens, estimated=estimated > 0)
            tallies[role] = Tally(calls, failed, estimated, unpriced, usage, nano / _NANO)
        return tallies

    # -- what was found out and finished --------------------------------------------------------------------------

    def once(self, name: str, find_out: Callable[[], Any]) -> Any:
        """A JSON-like value that is found out the first time, recorded, and the same ever after."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            if row is None:
                row = (json.dumps(find_out()),)
                connection.execute("INSERT INTO facts VALUES (?, ?)", (name, *row))
        return json.loads(row[0])

    def fact(self, name: str) -> Any:
        """What `once` recorded, None if nothing."""
        rows = self._database.read("SELECT value FROM facts WHERE name = ?", (name,))
        return json.loads(cast("str", rows[0][0])) if rows else None

    def finish(self, iteration: int, numbers: Mapping[str, Any]) -> None:
        """Record that an iteration is finished."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO iterations VALUES (?, ?)", (iteration, json.dumps(numbers)))

    def finished(self) -> dict[int, dict[str, Any]]:
        """The numbers of the iterations that are finished, in order."""
        rows = self._database.read("SELECT iteration, numbers FROM iterations ORDER BY iteration")
        return {cast("int", iteration): json.loads(cast("str", numbers)) for iteration, numbers in rows}

    def close(self) -> None:
        """Commit what is left and close the file."""
        self._commits.close()
        self._database.close()

    def _insert(self, calls: Sequence[Call]) -> None:
        now = time.time()
        rows = [_row(call, now) for call in calls]
        with self._database.transaction() as connection:
            for start in range(0, len(rows), _AT_ONCE):
                some = rows[start : start + _AT_ONCE]
                places = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
                connection.execute(f"INSERT INTO calls VALUES {places}", [*itertools.chain.from_iterable(some)])


def _row(call: Call, now: float) -> tuple[object, ...]:
    usage = usage_of(call.outcome)
    tokens = usage or Usage()
    return (
        call.key,
        call.place,
        call.role,
        call.engine,
        dump(call.outcome),
        isinstance(call.outcome, Exception),
        usage is not None,
        tokens.estimated,
        tokens.input_tokens,
        tokens.output_tokens,
        tokens.cached_tokens,
        tokens.reasoning_tokens,
        None if call.cost is None else round(call.cost * _NANO),
        now,
    )
