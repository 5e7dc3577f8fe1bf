"""The tutorial of agents runs, and prints what stands in it.

After an intended change, rewrite what it prints and review the difference::

    .venv/bin/python tests/system/test_agent_tutorial.py
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorials" / "a_language_agent.ipynb"


def printed_by_cells(notebook: dict[str, Any]) -> list[str]:
    """What each code cell prints; all run in one event loop and one set of names, as in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}

    async def run() -> list[str]:
        printed: list[str] = []
        for cell in code_cells(notebook):
            code = compile("".join(cell["source"]), cell["id"], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            with contextlib.redirect_stdout(io.StringIO()) as out:
                awaited = eval(code, names)
                if inspect.isawaitable(awaited):
                    await awaited
            printed.append(out.getvalue())
        return printed

    return asyncio.run(run())


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any]) -> str:
    """What stands below a cell."""
    return "".join(line for output in cell["outputs"] for line in output["text"])


def test_the_tutorial_prints_what_stands_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads(NOTEBOOK.read_text())
    assert printed_by_cells(notebook) == [shown(cell) for cell in code_cells(notebook)]


def rewrite() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        printed = printed_by_cells(notebook)
    for number, (cell, text) in enumerate(zip(code_cells(notebook), printed, strict=True), start=1):
        cell["execution_count"] = number
        stream = {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
        cell["outputs"] = [stream] if text else []
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    rewrite()
