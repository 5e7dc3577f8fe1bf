"""`TokenTracker`: tokens and dollars of one model, from the usage that its server reported."""

from __future__ import annotations

import threading
from typing import Any

from textgrad_agents.engines.base import estimate_tokens
from textgrad_agents.errors import ConfigError
from textgrad_agents.messages import Usage

_MILLION = 1_000_000


class TokenTracker:
    """Adds up the usage of one model.

    Args:
        model: the model's name.
        input_price, output_price: USD per million tokens; None if the price is not known, and so is the cost then.
    """

    def __init__(self, model: str, input_price: float | None = 0.0, output_price: float | None = 0.0) -> None:
        for name, price in {"input_price": input_price, "output_price": output_price}.items():
            if price is not None and not 0 <= price < float("inf"):
                raise ConfigError(f"{name} must be USD per million tokens, zero or more, got {price}")
        self.model = model
        self.input_price = input_price
        self.output_price = output_price
        self._lock = threading.Lock()
        self._usage = Usage()

    def add_usage(self, usage: Usage | int, output_tokens: int = 0) -> None:
        """Count one call: its `Usage`, or its input and output tokens."""
        one = usage if isinstance(usage, Usage) else Usage(usage, output_tokens)
        with self._lock:
            self._usage += one

    def get_stats(self) -> dict[str, Any]:
        """Tokens and USD so far; costs are None if the price is not known."""
        usage = self._usage
        return {
            "model": self.model,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "input_cost_usd": _cost(usage.input_tokens, self.input_price),
            "output_cost_usd": _cost(usage.output_tokens, self.output_price),
            "cost_usd": self._cost(usage.input_tokens, usage.output_tokens),
        }

    def estimate_cost(self, prompt: str | int, output_tokens: int = 0) -> float | None:
        """USD that a call would cost with this prompt (or number of input tokens); nothing is counted."""
        input_tokens = estimate_tokens(prompt) if isinstance(prompt, str) else prompt
        return self._cost(input_tokens, output_tokens)

    def reset(self) -> None:
        """Start from zero."""
        with self._lock:
            self._usage = Usage()

    def get_summary_string(self) -> str:
        """Tokens and USD so far, in one line."""
        stats = self.get_stats()
        cost = "price unknown" if stats["cost_usd"] is None else f"${stats['cost_usd']:.4f}"
        said = ", partly estimated" if self._usage.estimated else ""
        return f"{self.model}: {stats['input_tokens']:,} tokens in, {stats['output_tokens']:,} out{said}; {cost}"

    def _cost(self, input_tokens: int, output_tokens: int) -> float | None:
        paid_in, paid_out = _cost(input_tokens, self.input_price), _cost(output_tokens, self.output_price)
        return None if paid_in is None or paid_out is None else paid_in + paid_out


def _cost(tokens: int, price: float | None) -> float | None:
    return None if price is None else tokens * price / _MILLION
