"""The other libraries: each runs in an environment of its own, which README.md says how to make.

`AVIARY_PYTHON`, `LDP_PYTHON` and `TEXTGRAD_PYTHON` name other interpreters.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PEERS = {"aviary": "AVIARY_PYTHON", "ldp": "LDP_PYTHON", "textgrad": "TEXTGRAD_PYTHON"}


def interpreter(name: str) -> Path | None:
    """The Python of a peer's environment, or None where it is not installed."""
    path = Path(os.environ.get(PEERS[name], HERE / ".venvs" / name / "bin" / "python"))
    return path if path.exists() else None


def announce(name: str) -> None:
    """Say so if a peer is not installed."""
    if interpreter(name) is None:
        print(f"{name} is not installed here, so its rows are missing; benchmarks/README.md says how to add them.")


def measure(name: str, script: str, *args: str, **environment: str) -> dict[str, Any] | None:
    """Run a script of ``peers/`` with the peer's Python and read the JSON object it prints; None without the peer."""
    python = interpreter(name)
    if python is None:
        return None
    with tempfile.TemporaryDirectory() as folder:  # what the peers write (logs, caches) goes there
        run = subprocess.run(
            [python, HERE / "peers" / script, *args],
            cwd=folder,
            env=os.environ
            | {
                "HOME": folder,
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "PYTHONPATH": str(HERE),
                "XDG_CACHE_HOME": folder,
            }
            | environment,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    return json.loads(run.stdout.splitlines()[-1])
