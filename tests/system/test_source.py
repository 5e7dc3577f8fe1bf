"""Habits that a linter does not check.

Pickles are never read, no path of somebody's machine is left behind, and nobody swallows Ctrl-C.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEXTS = SOURCES + sorted(
    path
    for pattern in ("src/**/*.md", "docs/**/*.md", "docs/**/*.ipynb", "benchmarks/**/*.py", "*.md")
    for path in ROOT.glob(pattern)
)

# Reading any of these can run code that somebody put into the file.
READERS = {
    "cloudpickle": {"load", "loads"},
    "dill": {"load", "loads"},
    "joblib": {"load"},
    "marshal": {"load", "loads"},
    "pandas": {"read_pickle"},
    "pickle": {"Unpickler", "load", "loads"},
    "shelve": {"open"},
    "torch": {"load"},
}
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:home|opt|root|work|Users)/\w")


def pickle_reads(source: str) -> Iterator[str]:
    """Each use of a pickle reader, as `module.name`, whatever the module was imported as."""
    tree = ast.parse(source)
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in READERS}
        elif isinstance(node, ast.ImportFrom) and node.module in READERS:
            yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name in READERS[node.module])
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id, "")
            if node.attr in READERS.get(module, ()):
                yield f"{module}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield "allow_pickle"


def swallowed(source: str) -> Iterator[int]:
    """Lines of handlers that catch everything, and neither raise it again at their end nor hand it on by its name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and (node.type is None or "BaseException" in ast.unparse(node.type)):
            last = node.body[-1]
            names = {one.id for part in node.body for one in ast.walk(part) if isinstance(one, ast.Name)}
            if not (isinstance(last, ast.Raise) and last.exc is None) and node.name not in names:
                yield node.lineno


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_there_are_sources_to_check() -> None:
    assert {"src/envs/base.py", "src/textgrad_agents/errors.py"} <= {relative(path) for path in SOURCES}


def test_no_pickle_is_read() -> None:
    found = {relative(path): reads for path in SOURCES if (reads := list(pickle_reads(path.read_text())))}
    assert found == {}


def test_no_machine_paths() -> None:
    found = {relative(path): hits for path in TEXTS if (hits := MACHINE_PATH.findall(path.read_text()))}
    assert found == {}


def test_nobody_swallows_everything() -> None:
    found = {relative(path): lines for path in SOURCES if (lines := list(swallowed(path.read_text())))}
    assert found == {}


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        ("except BaseException:\n    clean()\n    raise", False),
        ("except BaseException as error:\n    future.set_exception(error)", False),
        ("except BaseException:\n    pass", True),
        ("except:\n    pass", True),
        ("except (ValueError, BaseException) as error:\n    log()", True),
    ],
)
def test_the_search_finds_what_swallows(handler: str, found: bool) -> None:
    assert bool(list(swallowed(f"try:\n    work()\n{handler}"))) is found


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("import pickle\npickle.load(file)", "pickle.load"),
        ("def f():\n    import pickle as p\n    return p.loads(data)", "pickle.loads"),
        ("from pickle import Unpickler", "pickle.Unpickler"),
        ("import torch\ntorch.load(path, weights_only=False)", "torch.load"),
        ("import numpy as np\nnp.load(path, allow_pickle=True)", "allow_pickle"),
    ],
)
def test_the_search_finds_a_planted_read(source: str, read: str) -> None:
    assert list(pickle_reads(source)) == [read]


def test_the_search_leaves_writing_alone() -> None:
    assert list(pickle_reads("import json, pickle\npickle.dump(x, file)\njson.load(file)")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [("open('" + "/home/" + "me/x')", True), ("see experiments/work/x and https://a.b/opt", False)],
)
def test_the_search_knows_a_machine_path(text: str, found: bool) -> None:
    assert bool(MACHINE_PATH.search(text)) is found
