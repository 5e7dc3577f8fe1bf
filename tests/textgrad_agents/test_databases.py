from __future__ import annotations

import multiprocessing
import os
import pickle
import sqlite3
import threading
from pathlib import Path

import pytest

from textgrad_agents import databases
from textgrad_agents.databases import Database
from textgrad_agents.errors import FileFormatError

SCHEMA = "CREATE TABLE IF NOT EXISTS numbers (n INTEGER)"


def numbers(database: Database) -> list[object]:
    return [n for (n,) in database.read("SELECT n FROM numbers ORDER BY n")]


def add(path: Path, count: int) -> None:
    database = Database(path, SCHEMA)
    for _ in range(count):
        with database.transaction() as rows:
            (last,) = rows.execute("SELECT COALESCE(MAX(n), 0) FROM numbers").fetchone()
            rows.execute("INSERT INTO numbers VALUES (?)", (last + 1,))
    database.close()


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_transaction_happens_as_a_whole_or_not_at_all(tmp_path: Path, in_memory: bool) -> None:
    database = Database(None if in_memory else tmp_path / "folder" / "x.sqlite", SCHEMA)
    with database.transaction() as rows:
        rows.execute("INSERT INTO numbers VALUES (1)")

    def fail(how: Exception) -> None:
        with database.transaction() as rows:
            rows.execute("INSERT INTO numbers VALUES (2)")
            raise how

    for how in (KeyError("ours"), FileFormatError("ours too")):
        with pytest.raises(type(how), match="ours"):
            fail(how)
    assert numbers(database) == [1]
    database.close()


def test_processes_and_threads_see_each_others_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    processes = [multiprocessing.get_context("spawn").Process(target=add, args=(path, 50)) for _ in range(2)]
    threads = [threading.Thread(target=add, args=(path, 50)) for _ in range(3)]
    for worker in (*processes, *threads):
        worker.start()
    for worker in (*processes, *threads):
        worker.join()
    database = Database(path, SCHEMA)
    assert numbers(database) == list(range(1, 251))
    database.close()


def test_one_object_serves_several_threads(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.sqlite", SCHEMA)

    def write() -> None:
        for n in range(50):
            with database.transaction() as rows:
                rows.execute("INSERT INTO numbers VALUES (?)", (n,))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(numbers(database)) == 200
    database.close()


def test_a_forked_process_opens_the_file_anew(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.sqlite", SCHEMA)
    child = os.fork()
    if child == 0:
        with database.transaction() as rows:
            rows.execute("INSERT INTO numbers VALUES (1)")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with database.transaction() as rows:
        rows.execute("INSERT INTO numbers VALUES (2)")
    assert numbers(database) == [1, 2]
    database.close()


def test_a_copy_opens_the_same_file(tmp_path: Path) -> None:
    add(tmp_path / "x.sqlite", 2)
    copy = pickle.loads(pickle.dumps(Database(tmp_path / "x.sqlite", SCHEMA)))
    assert numbers(copy) == [1, 2]
    copy.close()


def test_a_closed_database_opens_again(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.sqlite", SCHEMA)
    database.close()
    database.close()
    assert numbers(database) == []
    database.close()


def test_a_file_that_is_none_of_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(
        FileFormatError, match=r"cache file .*x\.sqlite cannot be used: file is not a database; .*delete"
    ):
        Database(path, SCHEMA, what="cache file")
    assert path.read_bytes() == b"no database " * 100


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    Database(path, SCHEMA, version=2).close()
    with pytest.raises(FileFormatError, match="has version 2; this program reads version 1"):
        Database(path, SCHEMA)


def test_a_damaged_page_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite"
    add(path, 2000)
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    database = Database(path, SCHEMA)
    with pytest.raises(FileFormatError, match="cannot be used"):
        numbers(database)
    database.close()


def test_a_file_that_stays_locked_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.05)
    database = Database(tmp_path / "x.sqlite", SCHEMA)
    other = sqlite3.connect(tmp_path / "x.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(FileFormatError, match="locked"), database.transaction():
        pass
    assert numbers(database) == []  # readers need no lock
    other.close()
    database.close()


@pytest.mark.parametrize(
    ("mounts", "network"),
    [
        ("/dev/sda1 / ext4 rw 0 0\n", False),
        ("/dev/sda1 / ext4 rw 0 0\nserver:/x {folder} nfs4 rw 0 0\n", True),
        ("server:/x / nfs rw 0 0\n/dev/sdb1 {folder} xfs rw 0 0\n", False),
        ("/dev/sda1 / ext4 rw 0 0\nserver:/x {folder}/other cifs rw 0 0\n", False),
    ],
)
def test_the_log_is_not_used_on_network_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str, network: bool
) -> None:
    read_text = Path.read_text

    def fake(path: Path, *args: object, **kwargs: object) -> str:
        is_mounts = str(path) == "/proc/self/mounts"
        return mounts.format(folder=tmp_path) if is_mounts else read_text(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", fake)
    path = tmp_path / "x.sqlite"
    assert databases.is_on_network(path) is network
    database = Database(path, SCHEMA)
    assert database.read("PRAGMA journal_mode") == [("delete" if network else "wal",)]
    database.close()
