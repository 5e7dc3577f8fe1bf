"""The numeric path: recorded episodes train weights. This façade imports no torch."""

from training.numeric.reading import rows_of
from training.numeric.rows import LeftOut, Row, Rows

__all__ = ["LeftOut", "Row", "Rows", "rows_of"]
