from __future__ import annotations

from typing import Any

import pytest

from textgrad_agents.engines.models import LLMConfig
from textgrad_agents.engines.models.pricing import Price, cost_of, price_of
from textgrad_agents.messages import Usage


def config(**fields: Any) -> LLMConfig:
    return LLMConfig(**{"name": "m", "model_string": "gpt-4o"} | fields)


def test_known_prices_are_looked_up() -> None:
    assert price_of(config()) == Price(2.5, 10.0, "genai-prices")
    assert cost_of(config(), Usage(1000, 500)) == pytest.approx(0.0025 + 0.005)


def test_cached_tokens_cost_less_where_the_list_says_so() -> None:
    full, cached = cost_of(config(), Usage(1000, 0)), cost_of(config(), Usage(1000, 0, cached_tokens=1000))
    assert full
    assert cached
    assert 0 < cached < full


def test_more_cached_tokens_than_input_is_a_servers_slip_not_ours() -> None:
    assert cost_of(config(), Usage(10, 0, cached_tokens=99)) == cost_of(config(), Usage(10, 0, cached_tokens=10))


def test_the_users_price_wins() -> None:
    own = config(input_price_per_million=7.0)
    assert price_of(own) == Price(7.0, 0.0, "config")
    assert cost_of(own, Usage(1_000_000, 1_000_000)) == 7.0


def test_a_price_of_zero_that_was_given_is_free_and_one_that_was_not_is_looked_up() -> None:
    free = config(input_price_per_million=0.0, output_price_per_million=0.0)
    assert cost_of(free, Usage(1000, 1000)) == 0.0
    assert cost_of(config(), Usage(1000, 1000)) != 0.0


@pytest.mark.parametrize(
    "fields",
    [
        {"model_string": "nobody-knows-this-model"},
        {"base_url": "https://gateway.example/v1"},  # a known name, but who says what this server charges?
        {"base_url": "http://localhost:8000/v1"},
    ],
)
def test_an_unknown_price_is_unknown_not_zero(fields: dict[str, Any]) -> None:
    assert price_of(config(**fields)) is None
    assert cost_of(config(**fields), Usage(10, 10)) is None


def test_nothing_used_costs_nothing() -> None:
    assert cost_of(config(), Usage()) == 0.0
