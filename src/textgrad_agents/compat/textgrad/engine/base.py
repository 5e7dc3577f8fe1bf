"""Base classes of engines."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from textgrad_agents.compat.engine_lm import EngineLM, ServedEngine

__all__ = ["CachedEngine", "EngineLM", "ServedEngine"]


class CachedEngine:
    """Keeps replies in an SQLite file, for subclasses that look there before they ask.

    Args:
        cache_path: the file; its folder is made if there is none.
    """

    def __init__(self, cache_path: str | Path) -> None:
        self.cache_path = Path(cache_path)

    def _hash_prompt(self, prompt: str) -> str:
        return hashlib.sha256(prompt.encode()).hexdigest()

    def _check_cache(self, prompt: str) -> str | None:
        with closing(self._open()) as table, table:
            row = table.execute("SELECT reply FROM replies WHERE prompt = ?", [self._hash_prompt(prompt)]).fetchone()
        return None if row is None else row[0]

    def _save_cache(self, prompt: str, response: str) -> None:
        with closing(self._open()) as table, table:
            table.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", [self._hash_prompt(prompt), response])

    def _open(self) -> sqlite3.Connection:
        self.cache_path.parent.mkdir(parents=True, exist_ok=True)
        table = sqlite3.connect(self.cache_path, timeout=30)
        table.execute("CREATE TABLE IF NOT EXISTS replies (prompt TEXT PRIMARY KEY, reply TEXT)")
        return table
