"""What agents of any game see, as text: numbers, vectors, grids, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

MOST = 4000
"""Most characters of one observation; what is beyond is left out and counted."""

_PICTURE_ROWS, _PICTURE_COLUMNS = 12, 24


def write_value(value: Any) -> str:
    """An observation of any space as text."""
    text = _write(value)
    return text if len(text) <= MOST else f"{text[:MOST]} … (and {len(text) - MOST} more characters)"


def plain(value: Any) -> Any:
    """An observation as JSON-like data; numbers that are not finite become None, pictures are left out."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, tuple | list):
        return [plain(one) for one in cast("Sequence[Any]", value)]
    array = np.asarray(value)
    if array.dtype.kind not in "biuf" or array.size > MOST:
        return None
    return _finite(array.astype(float).round(4).tolist() if array.dtype.kind == "f" else array.tolist())


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(one) for one in cast("list[Any]", value)]
    return value if not isinstance(value, float) or np.isfinite(value) else None


def _write(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_write(one)}" for key, one in cast("Mapping[Any, Any]", value).items())
    if isinstance(value, str):
        return value
    if isinstance(value, tuple | list):
        return "\n".join(f"{i}: {_write(one)}" for i, one in enumerate(cast("Sequence[Any]", value)))
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return str(value)
    if array.ndim < 2:
        return ", ".join(_number(one) for one in array.reshape(-1).tolist())
    if array.ndim == 2:
        return "\n" + "\n".join(" ".join(_number(one) for one in row) for row in array.tolist())
    if array.dtype == np.uint8 and array.ndim == 3 and min(array.shape[:2]) >= 16:
        return _picture(array)
    return _planes(array)


def _number(value: float) -> str:
    return str(int(value)) if isinstance(value, bool | int) else f"{value:.3g}"


def _planes(array: NDArray[Any]) -> str:
    """Arrays of three axes and more, plane by plane of the last axis: what is not 0, and where."""
    lines: list[str] = []
    for k in range(array.shape[-1]):
        plane = array[..., k]
        places = np.argwhere(plane)
        if not len(places):
            continue
        cells = [f"({', '.join(map(str, place))})" for place in places.tolist()]
        values = [_number(plane[tuple(place)].item()) for place in places]
        marks = cells if set(values) == {"1"} else [f"{c}={v}" for c, v in zip(cells, values, strict=True)]
        lines.append(f"plane {k}: {' '.join(marks)}")
    return f"{' × '.join(map(str, array.shape))} cells, all 0 but\n" + ("\n".join(lines) or "none")


def _picture(array: NDArray[Any]) -> str:
    """A picture as a coarse grid of brightness from 0 (dark) to 9 (bright)."""
    grey = array.astype(float).mean(axis=2)
    rows = np.array_split(grey, min(_PICTURE_ROWS, grey.shape[0]), axis=0)
    grid = [
        [block.mean() for block in np.array_split(row, min(_PICTURE_COLUMNS, row.shape[1]), axis=1)] for row in rows
    ]
    lines = ["".join(str(min(9, int(cell / 25.6))) for cell in row) for row in grid]
    head = f"a picture of {array.shape[1]} × {array.shape[0]} px, its brightness from 0 to 9 on a coarse grid\n"
    return head + "\n".join(lines)
