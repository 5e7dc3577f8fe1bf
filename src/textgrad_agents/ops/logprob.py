"""Log-probability of a sampled text at the temperature it was sampled with.

A model reports log-probabilities at temperature 1. At temperature T a text with probability P is drawn with probability
P^(1/T) / Z_T, where Z_T is the sum of P^(1/T) over all texts, that is, the mean of P^(1/T - 1) over texts drawn at
temperature 1; Z_T is estimated from such a sample.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def logprob_at_temperature(raw: float | None, temperature: float, sampled: Sequence[float] = ()) -> float | None:
    """Log-probability in nats at `temperature`.

    Args:
        raw: log-probability at temperature 1; None if unknown.
        temperature: of the sampling. At 0 there is no choice, so the log-probability is 0.
        sampled: log-probabilities at temperature 1 of texts drawn at temperature 1 for the same request.

    Returns:
        None if it cannot be known: `raw` is missing, or `sampled` is empty and needed.
    """
    if temperature == 0:
        return 0.0
    if raw is None or temperature == 1:
        return raw
    if not sampled:
        return None
    exponents = [(1 / temperature - 1) * one for one in sampled]
    largest = max(exponents)
    log_z = largest + math.log(sum(math.exp(one - largest) for one in exponents) / len(exponents))
    return raw / temperature - log_z
