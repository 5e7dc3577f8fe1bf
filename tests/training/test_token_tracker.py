from __future__ import annotations

import threading

import pytest

from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Usage
from training.token_tracker import TokenTracker


def test_stats_add_up_and_start_anew() -> None:
    tracker = TokenTracker("gpt-4o", input_price=2.5, output_price=10.0)
    tracker.add_usage(Usage(1000, 200))
    tracker.add_usage(500, 100)
    assert tracker.get_stats() == {
        "model": "gpt-4o",
        "input_tokens": 1500,
        "output_tokens": 300,
        "total_tokens": 1800,
        "input_cost_usd": pytest.approx(0.00375),
        "output_cost_usd": pytest.approx(0.003),
        "cost_usd": pytest.approx(0.00675),
    }
    tracker.reset()
    assert tracker.get_stats()["total_tokens"] == 0
    assert tracker.get_stats()["cost_usd"] == 0.0


def test_an_unknown_price_gives_an_unknown_cost() -> None:
    tracker = TokenTracker("mine", input_price=1.0, output_price=None)
    tracker.add_usage(1_000_000, 5)
    stats = tracker.get_stats()
    assert (stats["input_cost_usd"], stats["output_cost_usd"], stats["cost_usd"]) == (1.0, None, None)
    assert tracker.get_summary_string() == "mine: 1,000,000 tokens in, 5 out; price unknown"


def test_an_estimate_counts_nothing() -> None:
    tracker = TokenTracker("m", input_price=1_000_000.0, output_price=2_000_000.0)
    assert tracker.estimate_cost("eight ch", 3) == 3 + 6  # two words of 4/3 tokens, rounded up
    assert tracker.estimate_cost(10) == 10
    assert TokenTracker("m", None, 1.0).estimate_cost("text") is None
    assert tracker.get_stats()["total_tokens"] == 0


def test_the_summary_says_what_was_estimated() -> None:
    tracker = TokenTracker("m", input_price=1.0, output_price=1.0)
    tracker.add_usage(Usage(1_500_000, 500_000))
    assert tracker.get_summary_string() == "m: 1,500,000 tokens in, 500,000 out; $2.0000"
    tracker.add_usage(Usage(1, 1, estimated=True))
    assert "partly estimated" in tracker.get_summary_string()


@pytest.mark.parametrize("price", [-1.0, float("nan"), float("inf")])
def test_a_price_that_cannot_be_one_is_refused(price: float) -> None:
    with pytest.raises(ConfigError, match="output_price must be USD"):
        TokenTracker("m", 1.0, price)


def test_several_threads_lose_nothing() -> None:
    tracker = TokenTracker("m")
    threads = [threading.Thread(target=lambda: [tracker.add_usage(1, 2) for _ in range(2000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.get_stats()["total_tokens"] == 48_000
