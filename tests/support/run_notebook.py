"""Runs the code cells of a notebook as Jupyter does: in order, in one namespace, inside a running loop.

    python run_notebook.py PAGE.ipynb

An error ends the run, and its traceback names the cell.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import linecache
import sys
from pathlib import Path
from typing import Any


def code_cells(page: Path) -> list[str]:
    """The code of a notebook, cell by cell."""
    return ["".join(one["source"]) for one in json.loads(page.read_text())["cells"] if one["cell_type"] == "code"]


async def run(page: Path) -> None:
    """Run all cells."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, source in enumerate(code_cells(page), start=1):
        place = f"<{page.name}, code cell {number}>"
        linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
        code = compile(source, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, names)
        if inspect.isawaitable(waiting):
            await waiting


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
