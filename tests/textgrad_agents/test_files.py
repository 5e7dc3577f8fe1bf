"""Files are whole or not there, and JSON is read strictly."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import parse_json, read_json, write_bytes, write_json, write_text

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@settings(max_examples=30)
@given(value=json_values)
def test_what_is_written_is_read_back(value: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("json") / "value.json"
    write_json(path, value)
    assert read_json(path, what="file") == value


@given(data=st.binary(max_size=200))
def test_any_bytes_are_json_or_a_named_error(data: bytes) -> None:
    try:
        value = parse_json(data)
    except (ValueError, RecursionError):
        return
    assert json.loads(data) == value


def test_parents_are_made_and_the_umask_holds(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    old = os.umask(0o027)
    try:
        write_text(path, "é\n")
    finally:
        os.umask(old)
    assert path.read_bytes() == "é\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_values_that_json_has_not_are_refused_before_the_file_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for value in (float("nan"), float("inf"), {"a": {1, 2}}, "\ud800"):
        with pytest.raises((ValueError, TypeError)):
            write_json(path, value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": 1', "line 1, column 8"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b"[1e999]", "too large"),
        (b"[" + b"9" * 5000 + b"]", "digits"),
        (rb'["\ud800"]', "surrogates"),
        (b'"\xff"', "utf-8"),
        (b"[" * 100_000, "recursion"),
        (b"", "line 1, column 1"),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        read_json(path, what="config file")
    message = str(caught.value)
    assert message.startswith(f"config file {path} ")
    assert complaint in message
    assert "\n" not in message


def test_pairs_of_surrogates_are_characters() -> None:
    assert parse_json(rb'"\ud83d\ude00"') == "😀"


def test_missing_folders_and_huge_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        read_json(tmp_path / "none.json", what="file")
    with pytest.raises(FileFormatError, match="cannot be read: Is a directory"):
        read_json(tmp_path, what="file")
    (tmp_path / "big.json").write_text("[1, 2]")
    with pytest.raises(FileFormatError, match="has 6 bytes; at most 5 are read"):
        read_json(tmp_path / "big.json", what="file", max_bytes=5)
    with pytest.raises(FileFormatError, match="null byte"):
        read_json(Path("a\0b"), what="file")
