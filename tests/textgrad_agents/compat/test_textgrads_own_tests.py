"""TextGrad's own test files pass against us, from a checkout of its repository that TEXTGRAD_TESTS names.

They are not part of this repository. Besides the checkout they need `pip install diskcache ipython httpx`:

    git clone https://github.com/zou-group/textgrad && TEXTGRAD_TESTS=textgrad/tests pytest tests/textgrad_agents/compat
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHECKOUT = os.environ.get("TEXTGRAD_TESTS", "")
NEEDED = ("diskcache", "IPython", "httpx")

HARNESS = '''
"""What the tests take from the network, from a paid model and from each other is given to each of them here."""

import json
import os
from types import SimpleNamespace

import httpx
import pytest

from textgrad_agents.compat import alias

alias("textgrad")

import textgrad.engine_experimental.litellm as litellm
from textgrad.config import SingletonBackwardEngine

GOOD = """
def longest_increasing_subsequence(nums):
    ends = []
    for number in nums:
        place = sum(end < number for end in ends)
        ends[place:place + 1] = [number]
    return len(ends)
"""


def completion(model, messages, **kwargs):
    text = json.dumps(messages)
    reply = f"<IMPROVED_VARIABLE>{GOOD}</IMPROVED_VARIABLE>" if "IMPROVED_VARIABLE" in text else "It is wrong by one."
    return {"choices": [{"message": {"content": reply}}]}


@pytest.fixture(autouse=True)
def alone_and_offline(request, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SingletonBackwardEngine(), "engine", None)
    monkeypatch.setattr(httpx, "get", lambda url, **kwargs: SimpleNamespace(content=b"\\xff\\xd8\\xff picture"))
    monkeypatch.setattr(litellm, "completion", completion)
    if request.node.name == "test_openai_engine":
        monkeypatch.setenv("OPENAI_API_KEY", "to be unset again")
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", "fake_key")
'''


@pytest.mark.skipif(not CHECKOUT, reason="TEXTGRAD_TESTS names no checkout of TextGrad's tests")
def test_textgrads_own_tests(tmp_path: Path) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"TextGrad's tests need: pip install {' '.join(missing).lower()}")
    files = sorted(Path(CHECKOUT).resolve().glob("test_*.py"))
    assert files, f"there are no test files in {CHECKOUT}"
    for file in files:
        shutil.copy(file, tmp_path)
    (tmp_path / "conftest.py").write_text(HARNESS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=result.xml", tmp_path],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    suite = ElementTree.parse(tmp_path / "result.xml").getroot()[0]
    outcome = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    assert outcome == {"tests": 15, "failures": 0, "errors": 0, "skipped": 0}, run.stdout[-5000:]
