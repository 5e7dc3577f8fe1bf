"""The journal: what is recorded comes back, whatever a model said; facts stay; damage is said."""

import asyncio
import sqlite3
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgrad_agents.engines.middleware import Tally
from textgrad_agents.errors import EngineRefusal, EngineReplyError, FileFormatError
from textgrad_agents.journal import Journal
from textgrad_agents.journal.commits import GroupCommit
from textgrad_agents.journal.journal import Call
from textgrad_agents.journal.outcomes import dump, load
from textgrad_agents.messages import Completion, TokenTrace, ToolCall, Usage


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


def call(key, outcome=None, *, place="here", role="actor", cost=0.25):
    return Call(key, place, role, "m", outcome or Completion("yes", usage=Usage(10, 2)), cost)


def record(journal, *calls):
    async def all_of_them():
        await asyncio.gather(*map(journal.record, calls))

    asyncio.run(all_of_them())


# -- what comes back ---------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec=None), max_size=20)  # halves of characters, too
USAGES = st.builds(Usage, *[st.integers(0, 2**40)] * 4, st.booleans())
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DETAILS = st.dictionaries(st.text(max_size=5), st.none() | NUMBERS | TEXTS | st.lists(NUMBERS, max_size=3), max_size=3)
CALLS = st.builds(
    lambda name, arguments: ToolCall.from_name(name, "id", **arguments),
    st.text(min_size=1, max_size=5),
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda name: name not in ("id", "function_name")), NUMBERS, max_size=2
    ),
)
COMPLETIONS = st.builds(
    Completion,
    TEXTS,
    st.sampled_from(["stop", "length", "tool_calls", "content_filter", "refusal"]),
    USAGES,
    st.lists(CALLS, max_size=2).map(tuple),
    TEXTS,
    details=DETAILS,
)


@given(COMPLETIONS)
def test_completions_come_back(completion):
    assert load(dump(completion)) == completion


@given(st.sampled_from([EngineReplyError, EngineRefusal]), TEXTS, USAGES | st.none(), st.text(max_size=5))
def test_errors_that_are_answers_come_back(kind, message, usage, fault):
    error = load(dump(kind(message, usage=usage, kind=fault)))
    assert type(error) is kind
    assert (str(error), error.usage, error.kind, error.transient) == (message, usage, fault, False)


def test_token_traces_come_back():
    trace = TokenTrace(
        np.array([1, 2, 70_000], np.int32),
        np.array([5], np.int32),
        np.array([-0.1], np.float32),
        np.array([True]),
    )
    back = load(dump(Completion("x", trace=trace))).trace
    for name in ("prompt_ids", "action_ids", "logprobs", "mask"):
        assert getattr(back, name).dtype == getattr(trace, name).dtype
        assert np.array_equal(getattr(back, name), getattr(trace, name))


def test_what_is_recorded_is_found_at_its_place_also_by_who_opens_the_file_next(journal):
    record(journal, call(b"a"), call(b"b", EngineReplyError("empty"), place="there"))
    assert journal.find(b"a").text == "yes"
    again = Journal(journal.path)
    assert again.find(b"a") is None
    assert again.begin("here") == 1
    assert again.find(b"a").text == "yes"
    assert again.find(b"b") is None
    again.begin("there")
    assert str(again.find(b"b")) == "empty"
    again.close()


def test_tallies_add_up_by_role_and_do_not_depend_on_the_order(tmp_path):
    costs = [0.1, 0.2, 0.3, 1e-9, 0.7]
    tallies = []
    for number, order in enumerate((costs, costs[::-1])):
        journal = Journal(tmp_path / f"{number}.sqlite")
        for cost in order:
            record(journal, call(repr(cost).encode(), cost=cost))
        record(
            journal,
            call(b"x", Completion("z", usage=Usage(1, 2, 3, 4, True)), role="critic", cost=None),
            call(b"y", EngineReplyError("empty"), role="critic", cost=None),
        )
        tallies.append(journal.tallies())
        assert journal.tallies("elsewhere") == {}
        journal.close()
    assert tallies[0] == tallies[1]
    assert tallies[0]["actor"].cost_usd == 1.300000001
    assert tallies[0]["critic"] == Tally(2, 1, 1, 1, Usage(1, 2, 3, 4, True), 0.0)


def test_facts_are_found_out_once(journal):
    assert journal.fact("when") is None
    assert journal.once("when", lambda: {"at": 1.5}) == {"at": 1.5}
    assert journal.once("when", lambda: pytest.fail("asked again")) == {"at": 1.5}
    assert journal.fact("when") == {"at": 1.5}


def test_iterations_are_finished_with_their_numbers(journal):
    for iteration in (0, 10, 2):
        journal.finish(iteration, {"iteration": iteration, "x": 0.1})
    assert list(journal.finished()) == [0, 2, 10]
    assert journal.finished()[2] == {"iteration": 2, "x": 0.1}


# -- damage ------------------------------------------------------------------------------------------------------------


def test_a_damaged_reply_is_named(journal):
    record(journal, call(b"a"))
    connection = sqlite3.connect(journal.path)
    for damage in (b'{"text": "ye', b"\xff", b'{"error": "KeyError"}', b"[]"):
        connection.execute("UPDATE calls SET outcome = ?", (damage,))
        connection.commit()
        with pytest.raises(FileFormatError, match=r"journal\.sqlite holds a reply that cannot be read"):
            journal.find(b"a")
    connection.close()


@pytest.mark.parametrize("content", [b"no database at all, only a text that is long enough to be looked at" * 20])
def test_a_file_that_is_no_journal_is_named(tmp_path, content):
    (tmp_path / "journal.sqlite").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"journal .*journal\.sqlite cannot be used"):
        Journal(tmp_path / "journal.sqlite")


def test_a_journal_of_another_version_is_named(journal):
    connection = sqlite3.connect(journal.path)
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(FileFormatError, match="has version 7; this program reads version 1"):
        Journal(journal.path)


def test_cut_off_anywhere_it_opens_with_a_beginning_of_what_was_recorded(tmp_path):
    journal = Journal(tmp_path / "whole.sqlite")
    for number in range(8):
        record(journal, call(bytes([number])))
    whole, log = journal.path.read_bytes(), (tmp_path / "whole.sqlite-wal").read_bytes()
    journal.close()
    lengths = []
    for cut in [*range(0, len(log), 4001), len(log)]:
        path = tmp_path / f"cut_{cut}.sqlite"
        path.write_bytes(whole)
        path.with_name(f"{path.name}-wal").write_bytes(log[:cut])
        opened = Journal(path)
        lengths.append(opened.begin("here"))
        assert all(opened.find(bytes([number])) for number in range(lengths[-1]))
        opened.close()
    assert lengths == sorted(lengths)
    assert set(lengths) == set(range(9))


# -- commits in groups -------------------------------------------------------------------------------------------------


async def add(commits, rows):
    """Calls that add rows, in this order, and wait."""
    tasks = [asyncio.ensure_future(commits.add(row)) for row in rows]
    await asyncio.sleep(0)
    return tasks


def test_what_arrives_during_a_commit_is_committed_together():
    began, go, groups = threading.Event(), threading.Event(), []

    def write(rows):
        groups.append(list(rows))
        began.set()
        go.wait()

    async def main():
        first = await add(commits, [0])
        await asyncio.to_thread(began.wait)
        others = await add(commits, range(1, 100))
        assert not any(task.done() for task in first + others)
        go.set()
        await asyncio.wait_for(asyncio.gather(*first, *others), 5)

    commits = GroupCommit(write)
    asyncio.run(main())
    assert groups == [[0], list(range(1, 100))]
    commits.close()


def test_a_commit_that_fails_fails_for_all_in_it_and_for_nobody_else():
    def write(rows):
        if "bad" in rows:
            raise OSError("full")

    commits = GroupCommit(write)
    with pytest.raises(OSError, match="full"):
        asyncio.run(commits.add("bad"))
    asyncio.run(commits.add("good"))
    commits.close()


def test_closing_commits_what_is_left():
    written = []
    commits = GroupCommit(lambda rows: (time.sleep(0.01), written.extend(rows)))

    async def give_up():
        for task in await add(commits, range(50)):
            task.cancel()

    asyncio.run(give_up())
    commits.close()
    assert written == list(range(50))
    with pytest.raises(RuntimeError, match="after close"):
        asyncio.run(commits.add(1))


def test_who_stops_waiting_takes_the_commit_from_nobody():
    go = threading.Event()
    commits = GroupCommit(lambda rows: go.wait())

    async def main():
        first, second = await add(commits, "ab")
        first.cancel()
        go.set()
        assert await asyncio.wait_for(second, 5) is None

    asyncio.run(main())
    commits.close()


def test_loops_of_several_threads_share_commits():
    commits = GroupCommit(lambda rows: time.sleep(0.001))
    threads = [
        threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(commits.add("x"), 5)), daemon=True)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    commits.close()


def test_256_calls_share_commits(journal, monkeypatch):
    groups = []
    insert = Journal._insert
    monkeypatch.setattr(journal._commits, "_write", lambda rows: (groups.append(len(rows)), insert(journal, rows)))
    record(journal, *(call(number.to_bytes(2, "big")) for number in range(256)))
    assert sum(groups) == 256
    assert len(groups) < 64
    assert journal.begin("here") == 256


def test_a_group_may_be_larger_than_a_statement(journal):
    Journal._insert(journal, [call(number.to_bytes(2, "big")) for number in range(1203)])
    assert journal.begin("here") == 1203
