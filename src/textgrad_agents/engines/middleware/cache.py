"""`Cached` and `Cache`: an answer that was paid for once is not asked for again."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgrad_agents.databases import Database
from textgrad_agents.engines.base import identity_of
from textgrad_agents.engines.middleware.wrapper import Wrapper
from textgrad_agents.engines.record import dump_completion, load_completion
from textgrad_agents.engines.wire import to_wire
from textgrad_agents.interfaces import DEFAULT_OPTIONS, Engine, GenerateOptions
from textgrad_agents.messages import Completion, Message

FORMAT = 1
"""Of keys and values; entries of another format are never found."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, time REAL NOT NULL, completion TEXT NOT NULL) WITHOUT ROWID
"""


class Cache:
    """Completions by key, in a SQLite file that threads and processes share.

    Args:
        path: the file; None keeps it in memory.

    Attributes:
        hits, misses: how often an answer was there, and not.

    Raises:
        FileFormatError: the file is no cache.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._database = Database(path, _SCHEMA, what="cache file")
        self.hits = 0
        self.misses = 0

    def get(self, key: bytes) -> Completion | None:
        """The completion kept under `key`."""
        rows = self._database.read("SELECT completion FROM answers WHERE key = ?", (key,))
        if not rows:
            self.misses += 1
            return None
        self.hits += 1
        return load_completion(str(rows[0][0]))

    def put(self, key: bytes, completion: Completion) -> None:
        """Keep `completion`; the first that is kept under a key stays."""
        with self._database.transaction() as rows:
            rows.execute(
                "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (key, time.time(), dump_completion(completion))
            )

    def close(self) -> None:
        """Close the file."""
        self._database.close()


class Cached(Wrapper):
    """Answers from the cache what was asked before.

    Two requests are the same if the engine's server, model and parameters, the messages and the options are; which part
    a call plays does not count. A request that wants a random answer and names no seed is another one each time it is
    made, so a second run gets the same series of answers, and one run never the same answer twice. Kept are whole
    answers alone: no error, refusal, filtered, cut or empty reply.

    Args:
        engine: the engine inside.
        cache: where answers are kept; engines may share it.
    """

    def __init__(self, engine: Engine, cache: Cache) -> None:
        super().__init__(engine)
        self.cache = cache
        self._asked: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        """Answer `messages`; `Completion.details` says ``cached`` where that was free."""
        key = self._key(messages, options)
        kept = self.cache.get(key)
        if kept is not None:
            return replace(kept, details={**kept.details, "cached": True})
        completion = await self.engine.generate(messages, options)
        if is_whole(completion):
            self.cache.put(key, completion)
        return completion

    def _key(self, messages: Sequence[Message], options: GenerateOptions) -> bytes:
        identity = identity_of(self.engine)
        request = request_key(identity, messages, options)
        if options.seed is not None or identity.get("seed") is not None or options.temperature == 0:
            return request
        with self._lock:
            sample = self._asked[request]
            self._asked[request] += 1
        return hashlib.sha256(request + sample.to_bytes(8, "big")).digest()


def request_key(identity: Mapping[str, Any], messages: Sequence[Message], options: GenerateOptions) -> bytes:
    """SHA-256 of a request to the engine of this identity, in a form in which equal requests are written equally."""
    asked = {
        "format": FORMAT,
        "engine": identity,
        "messages": [to_wire(message) for message in messages],
        "options": {
            "temperature": options.temperature,
            "top_p": options.top_p,
            "max_tokens": options.max_tokens,
            "seed": options.seed,
            "stop": options.stop,
            "tools": options.tools,
            "tool_choice": options.tool_choice,
            "response_schema": options.response_schema,
            "extra": options.extra,
        },
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":"), default=dict).encode()).digest()


def is_whole(completion: Completion) -> bool:
    """True if `completion` says something and was neither filtered nor cut."""
    said = completion.text.strip() or completion.tool_calls
    return bool(said) and completion.finish in ("stop", "tool_calls")
