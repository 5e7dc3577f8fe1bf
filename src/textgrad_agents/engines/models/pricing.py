"""What a call costs: the prices a user gave, else those of `genai-prices`, else unknown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from textgrad_agents.engines.models.config import PRICES, LLMConfig
from textgrad_agents.engines.models.providers import is_loopback
from textgrad_agents.messages import Usage

_MILLION = 1_000_000
_SMALL = Usage(input_tokens=1000, output_tokens=1000)


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens of a short request, and who says so."""

    input_per_million: float
    output_per_million: float
    source: Literal["config", "genai-prices"]


def price_of(config: LLMConfig) -> Price | None:
    """The price of a model; None if nobody knows it. Long requests, cached tokens and hours may cost otherwise."""
    if PRICES & config.model_fields_set:
        return Price(config.input_price_per_million, config.output_price_per_million, "config")
    looked_up = _look_up(config, _SMALL)
    if looked_up is None:
        return None
    paid_in, paid_out = looked_up
    scale = _MILLION // _SMALL.input_tokens
    return Price(float(paid_in * scale), float(paid_out * scale), "genai-prices")


def cost_of(config: LLMConfig, usage: Usage) -> float | None:
    """USD of one call made now; None if nobody knows the price."""
    if PRICES & config.model_fields_set:
        return (
            usage.input_tokens * config.input_price_per_million + usage.output_tokens * config.output_price_per_million
        ) / _MILLION
    looked_up = _look_up(config, usage)
    return None if looked_up is None else float(sum(looked_up))


def _look_up(config: LLMConfig, usage: Usage) -> tuple[Decimal, Decimal] | None:
    """USD for input and output; the server's address decides whose price list is read, never the model's name alone."""
    if is_loopback(config.url):
        return None
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
    )
    try:
        price = genai_prices.calc_price(counted, config.model_string, provider_api_url=config.url)
    except LookupError:
        return None
    return price.input_price, price.output_price
