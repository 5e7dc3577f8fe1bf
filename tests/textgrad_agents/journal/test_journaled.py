"""An engine with a journal: asked once per call, the same answer for ever, nothing paid for is lost."""

import asyncio
import threading

import pytest

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.errors import (
    BudgetError,
    EngineAccessError,
    EngineError,
    EngineRefusal,
    EngineReplyError,
    FileFormatError,
)
from textgrad_agents.interfaces import GenerateOptions
from textgrad_agents.journal import Journal, Journaled
from textgrad_agents.messages import Completion, Usage, user

HELLO = [user("hello")]


class Model(ScriptedEngine):
    """Never says the same twice; costs a dollar a token."""

    def __init__(self, **settings):
        super().__init__(lambda messages, options: f"reply {len(self.calls)}", **settings)

    def cost(self, usage):
        return float(usage.output_tokens)


@pytest.fixture
def begin(tmp_path):
    """Starts the run: gives an engine with the journal of the run around it."""
    journals = []

    def begin(engine, place="here"):
        journals.append(Journal(tmp_path / "journal.sqlite"))
        journaled = Journaled(engine, journals[-1])
        journals[-1].begin(place)
        journaled.begin(place)
        return journaled

    yield begin
    for journal in journals:
        journal.close()


def ask(engine, *seeds, messages=HELLO, **options):
    """The texts of calls that are made at once."""

    async def all_of_them():
        calls = (engine.generate(messages, GenerateOptions(seed=seed, **options)) for seed in seeds)
        return [completion.text for completion in await asyncio.gather(*calls)]

    return asyncio.run(all_of_them())


def test_a_second_start_gets_the_answers_of_the_first_and_pays_for_new_calls_alone(begin):
    model = Model()
    first = ask(begin(model), 1, 2, 3)
    assert ask(begin(model), 3, 2, 1, 4) == [*first[::-1], "reply 4"]
    assert len(model.calls) == 4


@pytest.mark.parametrize(
    "changed",
    [
        {"messages": [user("hello there")]},
        {"temperature": 0.5},
        {"max_tokens": 9},
        {"role": "critic"},
        {"tools": ({"type": "function", "function": {"name": "f"}},)},
        {"response_schema": {"type": "object"}},
    ],
)
def test_another_request_is_another_call(begin, changed):
    model = Model()
    engine = begin(model)
    assert ask(engine, 1) != ask(engine, 1, **changed)
    assert len(model.calls) == 2


def test_another_place_or_model_is_another_call(begin):
    model = Model()
    ask(begin(model, "iteration 0"), 1)
    assert ask(begin(model, "iteration 1"), 1) == ["reply 2"]
    model.name = "other"
    assert ask(begin(model, "iteration 1"), 1) == ["reply 3"]


def test_equal_calls_are_one_also_while_it_is_under_way(begin):
    model = Model(latency=0.01)
    engine = begin(model)
    assert ask(engine, 1, 1, 1) == ["reply 1"] * 3
    assert ask(engine, 1) == ["reply 1"]
    assert len(model.calls) == 1


def test_calls_without_a_seed_are_numbered(begin):
    model = Model()
    said = ask(begin(model), None, None, None)
    assert len(set(said)) == 3
    assert ask(begin(model), None, None, None, None) == [*said, "reply 4"]


def test_a_reply_is_not_used_before_it_is_committed(begin, monkeypatch):
    engine = begin(Model())
    go, inserted = threading.Event(), Journal._insert
    monkeypatch.setattr(engine._journal._commits, "_write", lambda rows: (go.wait(), inserted(engine._journal, rows)))

    async def wait_a_little():
        call = asyncio.ensure_future(engine.generate(HELLO, GenerateOptions(seed=1)))
        done, _ = await asyncio.wait([call], timeout=0.1)
        go.set()
        return done, (await call).text

    assert asyncio.run(wait_a_little()) == (set(), "reply 1")


def test_what_cannot_be_written_is_not_used(begin, monkeypatch):
    engine = begin(Model())

    def full(rows):
        raise FileFormatError("disk full")

    monkeypatch.setattr(engine._journal._commits, "_write", full)
    with pytest.raises(FileFormatError, match="disk full"):
        ask(engine, 1)


@pytest.mark.parametrize("kind", [EngineReplyError, EngineRefusal])
def test_no_usable_reply_is_an_answer_too(begin, kind):
    model = ScriptedEngine([kind("empty", usage=Usage(5, 1), kind="empty")])
    for _ in range(2):
        engine = begin(model)
        with pytest.raises(kind, match="empty") as caught:
            ask(engine, 1)
        assert (caught.value.usage, caught.value.kind) == (Usage(5, 1), "empty")
    assert len(model.calls) == 1


@pytest.mark.parametrize("error", [EngineError("down", transient=True), EngineAccessError("no"), BudgetError("spent")])
def test_a_failure_is_no_answer(begin, error):
    model = ScriptedEngine([error, "yes"])
    with pytest.raises(type(error)):
        ask(begin(model), 1)
    assert ask(begin(model), 1) == ["yes"]


def test_the_cost_is_that_of_the_day_of_the_call(begin):
    model = ScriptedEngine([Completion("yes", usage=Usage(5, 3))])
    model.cost = lambda usage: usage.output_tokens * 0.5
    ask(begin(model), 1)
    model.cost = lambda usage: 99.0
    engine = begin(model)
    ask(engine, 1)
    assert engine._journal.tallies()["other"].cost_usd == 1.5


def test_a_call_that_nobody_waits_for_any_more_is_recorded(begin):
    model = Model(latency=0.05)
    engine = begin(model)

    async def give_up():
        call = asyncio.ensure_future(engine.generate(HELLO, GenerateOptions(seed=1)))
        await asyncio.sleep(0.01)
        call.cancel()
        await engine.settle()
        with pytest.raises(EngineAccessError, match="the run is being stopped"):
            await engine.generate(HELLO, GenerateOptions(seed=2))
        return (await engine.generate(HELLO, GenerateOptions(seed=1))).text

    assert asyncio.run(give_up()) == "reply 1"
    assert ask(begin(model), 1, 2) == ["reply 1", "reply 2"]


def test_what_an_engine_finds_out_about_its_server_changes_no_request(begin):
    model = Model(structured=True)
    engine = begin(model)
    model.structured = False
    assert engine.structured
    assert engine.name == "scripted"
    assert engine.cost(Usage(1, 2)) == 2.0
