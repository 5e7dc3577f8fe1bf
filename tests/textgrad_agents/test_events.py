"""Events are lines of JSON that any reader gets back whole, whatever happened to the writer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.events import Event, read_events
from textgrad_agents.loggers import FileLogger

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
numbers = st.none() | st.integers(0, 10**6)
events = st.builds(
    Event,
    time=st.floats(0, 1e10),
    run=st.text(),
    kind=st.text(min_size=1),
    iteration=numbers,
    episode=numbers,
    data=st.dictionaries(st.text(), json_values, max_size=3),
)


@settings(max_examples=50)
@given(written=st.lists(events, max_size=5))
def test_events_are_read_back(written: list[Event], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.touch()
    logger = FileLogger(path)
    for event in written:
        logger.log(event)
    assert list(read_events(path)) == written
    logger.close()


def test_each_event_can_be_read_as_soon_as_it_is_logged(tmp_path: Path) -> None:
    logger = FileLogger(tmp_path / "run" / "events.jsonl")
    for count in range(1, 4):
        logger.log(Event.now("run", "tick", iteration=count, reward=0.5))
        assert len(list(read_events(logger.path))) == count
    logger.close()


@pytest.mark.parametrize("size", [10, 70_000])
def test_a_line_that_was_cut_off_is_skipped_and_then_overwritten(tmp_path: Path, size: int) -> None:
    path = tmp_path / "events.jsonl"
    first, second = Event.now("run", "first"), Event.now("run", "second")
    path.write_bytes(first.to_line().encode() + b'{"version": 1, "kind": "' + b"x" * size)
    assert list(read_events(path)) == [first]
    logger = FileLogger(path)
    logger.log(second)
    logger.close()
    assert list(read_events(path)) == [first, second]


def test_a_file_of_one_cut_line_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"vers')
    event = Event.now("run", "first")
    logger = FileLogger(path)
    logger.log(event)
    logger.close()
    assert list(read_events(path)) == [event]


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    logger = FileLogger(tmp_path / "events.jsonl")

    def write(name: str) -> None:
        for i in range(50):
            logger.log(Event.now("run", name, iteration=i, text=name * 100))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger.close()
    read = list(read_events(logger.path))
    for name in "abcd":
        assert [event.iteration for event in read if event.kind == name] == list(range(50))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2 is not JSON"),
        ('{"version": 2, "time": 1, "run": "r", "kind": "k"}', "line 2: version must be 1, not 2"),
        ('{"version": 1, "time": "1", "run": "r", "kind": "k"}', "line 2: time must be a valid number, not '1'"),
        ('{"version": 1, "time": 1, "run": "r", "kind": "k", "iteraton": 1}', "did you mean iteration?"),
        ("[]", "line 2"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(Event.now("run", "good").to_line() + line + "\n")
    with pytest.raises(FileFormatError) as caught:
        list(read_events(path))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=100)
@given(data=st.data())
def test_mutated_lines_give_an_event_or_the_documented_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    line = bytearray(Event(time=1.0, run="run", kind="tick", iteration=3, data={"a": [1, None]}).to_line().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_bytes(line)
    assert "\n" not in complaint_about(path)


def complaint_about(path: Path) -> str:
    try:
        list(read_events(path))
    except FileFormatError as error:
        return str(error)
    return ""


def test_unwritable_places_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written: "):
        FileLogger(tmp_path / "file" / "events.jsonl").log(Event.now("run", "tick"))
    with pytest.raises(FileFormatError, match="cannot be read: No such file"):
        list(read_events(tmp_path / "none.jsonl"))
