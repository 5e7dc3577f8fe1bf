"""Runs in folders of their own that are killed and started again, by the process that `killable.py` is."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

KILLABLE = Path(__file__).with_name("killable.py")
SETTINGS = {"seed": 2, "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 4}}
UNDER_WAY = 4
"""Calls that are under way at once: two episodes, or a pair of them, with two agents each."""


@contextmanager
def starting():
    """The process that starts runs."""
    process = subprocess.Popen(
        [sys.executable, str(KILLABLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.communicate()


@dataclass
class Run:
    """A run in a folder of its own, started as often as it takes."""

    folder: Path
    starter: subprocess.Popen = field(repr=False)
    settings: dict = field(default_factory=lambda: SETTINGS)

    @property
    def tree(self):
        return self.folder / "experiments" / "run"

    def start(self, **how):
        self.folder.mkdir(exist_ok=True)
        request = {"folder": str(self.folder), "settings": self.settings} | how
        self.starter.stdin.write(json.dumps(request) + "\n")
        self.starter.stdin.flush()
        outcome = json.loads(self.starter.stdout.readline())
        assert outcome["killed"] or outcome["code"] == 0
        return outcome

    def paid(self):
        """The calls that were paid for, as often as they were: (role, hash of the request)."""
        log = self.folder / "paid.log"
        return [tuple(line.split()) for line in log.read_text().splitlines()] if log.exists() else []

    def recorded(self):
        """Keys of the calls in the journal."""
        path = self.tree / "journal.sqlite"
        if not path.exists():
            return set()
        connection = sqlite3.connect(path)
        try:
            return {key for (key,) in connection.execute("SELECT key FROM calls")}
        except sqlite3.OperationalError:  # it was killed before it made its tables
            return set()
        finally:
            connection.close()

    def files(self):
        """What the run left: every file but the journal, the account, the log of events and random states."""
        others = r"(journal|budget)\.|events\.|paid\.|\.lock|\.holder|(files\.json|random\.safetensors)$"
        files = {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not re.match(others, path.name)
        }
        for name in [name for name in files if name.endswith("numeric/state.json")]:
            files[name] = json.dumps(json.loads(files[name])["learner"]).encode()
        config = files["experiments/run/config.json"]
        files["experiments/run/config.json"] = config.replace(str(self.folder).encode(), b"FOLDER")
        for name in ("policy.json", "experiments/run/best_policy.json"):
            files[name] = re.sub(rb'"timestamp": "[^"]*"', b"", files[name])
        return files

    def timestamps(self):
        file = json.loads((self.folder / "policy.json").read_text())
        return {name: version["timestamp"] for name, version in file["policies"].items()}


def keys(call):
    """The keys that the journal may have a call under, by the iteration that made it."""
    role, request = call
    return {
        blake2b(f"iteration {i}\0{role}\0{0}\0".encode() + bytes.fromhex(request), digest_size=16).digest()
        for i in range(3)
    }


def check(run, whole, kills):
    """The run ended as the one that nobody killed, and paid for nothing else."""
    files, expected = run.files(), whole.files()
    assert files.keys() == expected.keys()
    assert [name for name in files if files[name] != expected[name]] == []
    assert run.recorded() == whole.recorded()
    paid, once = Counter(run.paid()), Counter(whole.paid())
    assert paid.keys() == once.keys()
    assert (paid - once).total() <= UNDER_WAY * kills
