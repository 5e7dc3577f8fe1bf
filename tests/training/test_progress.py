"""What a person sees: a table on a terminal, lines elsewhere, nothing if asked."""

import io

import pytest

from textgrad_agents.engines import Meter
from textgrad_agents.events import Event
from textgrad_agents.messages import Usage
from training.progress import make_progress

EVENTS = [
    Event.now("r", "run_started", iterations=2),
    Event.now("r", "iteration_started", iteration=0),
    Event.now("r", "episode_finished", iteration=0, episode=0, reward=12.34, length=125, error=None),
    Event.now("r", "episode_finished", iteration=0, episode=1, reward=-3.0, length=9, error="it broke"),
    Event.now("r", "evaluation_finished", episode=0, label="x", form="json", missing=[], error=None),
    Event.now("r", "gate_pair_finished", pair=2, incumbent=1.0, candidate=2.0, e_value=3.0),
    Event.now("r", "note", text="odd \x1b[31m words"),
    Event.now(
        "r",
        "iteration_finished",
        iteration=0,
        avg_reward=4.67,
        min_reward=-3.0,
        max_reward=12.34,
        accepted=True,
        decision="accepted: better",
    ),
    Event.now("r", "drawing", episodes=2),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(kind, stream):
    meter = Meter()
    meter.add("actor", Usage(900, 100, estimated=True), 0.5)
    with make_progress(kind, 2, 2, meter, stream) as view:
        for event in EVENTS:
            view.show(event)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["plain", "auto"])
def test_lines_where_there_is_no_terminal(kind):
    lines = shown(kind, io.StringIO()).splitlines()
    assert lines[0] == "iteration 0  episode 0: reward 12.3 in 125 cycles"
    assert lines[1] == "iteration 0  episode 1: reward -3.0 in 9 cycles FAILED: it broke"
    assert lines[2] == "odd  [31m words"
    assert lines[3].startswith("iteration 0  average 4.7  accepted: better  [1 calls, ~1000 tokens, $0.5000, ")
    assert "s left" in lines[3]
    assert lines[4] == "drawing 2 episodes"


@pytest.mark.parametrize("kind", ["rich", "auto"])
def test_a_table_on_a_terminal(kind):
    text = shown(kind, Terminal())
    for part in ("iteration 1 of 2", "drawing episodes", "4.7", "accepted", "~1000 tokens", "$0.5000"):
        assert part in text
    assert "\x1b[31m words" not in text


def test_nothing_if_asked():
    assert shown("none", Terminal()) == ""


def test_without_a_meter_it_says_that_nobody_is_asked():
    stream = io.StringIO()
    with make_progress("plain", 1, 1, None, stream) as view:
        view.show(EVENTS[-2])
    assert "no model calls" in stream.getvalue()


def test_what_weights_learned_stands_in_the_table():
    weights = {"steps": 1, "rows": 12, "skipped_rows": 4}
    numbers = {"avg_reward": 1.0, "min_reward": 0.0, "max_reward": 2.0, "decision": "x"}
    for accepted, said in ((None, "1 step on 8 of 12 rows"), (True, "accepted; 1 step on 8 of 12 rows")):
        stream = Terminal()
        row = Event.now("r", "iteration_finished", iteration=0, accepted=accepted, weights=weights, **numbers)
        with make_progress("rich", 1, 1, None, stream) as view:
            view.show(row)
        assert said in stream.getvalue()
