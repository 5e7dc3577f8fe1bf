"""Importing a facade is cheap: no heavy library, no socket, no file, no process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = ["litellm", "matplotlib", "openai", "pandas", "peft", "pettingzoo", "pygame", "torch", "transformers"]

# Runs in a child. Python reports each socket, process, folder and file opened for writing to the audit hook.
CHILD = """
import json, os, sys, time

seen = []

def watch(event, args):
    if event.startswith(("socket.", "subprocess.")) or event in ("os.mkdir", "os.posix_spawn", "os.fork"):
        seen.append(event)
    elif event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        seen.append(f"write {args[0]}")

sys.addaudithook(watch)
statement, heavy = sys.argv[1], json.loads(sys.argv[2])
start = time.process_time()
exec(statement)
seconds = time.process_time() - start
print(json.dumps({"heavy": [name for name in heavy if name in sys.modules], "seen": seen, "seconds": seconds}))
"""


def run_in_child(statement: str, folder: Path) -> dict[str, Any]:
    environment = {"HOME": str(folder), "PATH": os.defpath, "SYSTEMROOT": os.environ.get("SYSTEMROOT", "")}
    command = [sys.executable, "-I", "-B", "-c", CHILD, statement, json.dumps(HEAVY)]
    child = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert child.stderr == ""
    return json.loads(child.stdout)


@pytest.mark.parametrize("package", ["envs", "textgrad_agents", "training"])
def test_import_is_light_and_touches_nothing(package: str, tmp_path: Path) -> None:
    report = run_in_child(f"import {package}", tmp_path)
    assert report["heavy"] == []
    assert report["seen"] == []
    assert list(tmp_path.iterdir()) == []


def test_the_core_imports_faster_than_the_client_it_calls_models_with(tmp_path: Path) -> None:
    def best(statement: str) -> float:
        return min(run_in_child(statement, tmp_path)["seconds"] for _ in range(3))

    assert best("import textgrad_agents") < best("import openai, openai.resources.chat")


@pytest.mark.parametrize(
    ("statement", "trace"),
    [
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("import os; os.mkdir('folder')", "os.mkdir"),
        ("open('file', 'w').close()", "write file"),
    ],
)
def test_the_watch_sees_what_it_should(statement: str, trace: str, tmp_path: Path) -> None:
    assert trace in run_in_child(statement, tmp_path)["seen"]
