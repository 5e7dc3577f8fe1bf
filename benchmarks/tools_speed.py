"""What tools cost, beside Aviary: describing a function, building messages and calls, running calls.

    python benchmarks/tools_speed.py

Times are CPU time, the best of several runs; both libraries are measured by the same code, in turns, each by its own
interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import peers

SCRIPT = "tool_calls.py"
SOURCE = Path(__file__).resolve().parents[1] / "src"


def ours(*args: str) -> dict[str, float]:
    command = [sys.executable, str(peers.HERE / "peers" / SCRIPT), "ours", *args]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def best(runs: list[dict[str, Any]]) -> dict[str, float]:
    """The least of each figure."""
    return {name: min(run[name] for run in runs) for name in runs[0]} if runs else {}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each library has its turn")
    args = parser.parse_args()
    peers.announce("aviary")
    mine: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    for _ in range(args.rounds):
        mine.append(ours())
        found = peers.measure("aviary", SCRIPT, "aviary")
        if found is not None:
            theirs.append(found)
    other = best(theirs)
    print("\n| CPU time | textgrad-agents | Aviary |\n|---|---|---|")
    for name, value in best(mine).items():
        print(f"| {name} | {shown(value)} | {shown(other[name]) if name in other else '–'} |")


def shown(microseconds: float) -> str:
    """A time with its unit."""
    return f"{microseconds / 1e6:.2f} s" if microseconds > 1e5 else f"{microseconds:.1f} µs"


if __name__ == "__main__":
    main()
