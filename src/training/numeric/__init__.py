"""The numeric path: recorded episodes train weights. This façade imports no torch."""

from training.numeric.credit import credit_weights
from training.numeric.groups import MovingBaselines, advantages
from training.numeric.reading import rows_of
from training.numeric.rows import LeftOut, Row, Rows
from training.numeric.staleness import fresh
from training.numeric.store import BatchView, TokenStore

__all__ = [
    "BatchView",
    "LeftOut",
    "MovingBaselines",
    "Row",
    "Rows",
    "TokenStore",
    "advantages",
    "credit_weights",
    "fresh",
    "rows_of",
]
