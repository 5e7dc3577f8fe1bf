"""What agents and their rollouts cost, beside LDP.

    python benchmarks/ldp_speed.py

Times are CPU time, the best of several runs; both libraries are measured by the same code, in turns, each by its own
interpreter. An agent in plain code calls one tool per step, so what is measured is the library alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

import peers
from tools_speed import SOURCE, best

SCRIPT = "agent_rollouts.py"


def ours() -> dict[str, float]:
    command = [sys.executable, str(peers.HERE / "peers" / SCRIPT), "ours"]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each library has its turn")
    args = parser.parse_args()
    peers.announce("ldp")
    mine, theirs = [], []
    for _ in range(args.rounds):
        mine.append(ours())
        found = peers.measure("ldp", SCRIPT, "ldp")
        if found is not None:
            theirs.append(found)
    other = best(theirs)
    print("\n| | textgrad-agents | LDP |\n|---|---|---|")
    for name, value in best(mine).items():
        print(f"| {name} | {value:.3g} | {f'{other[name]:.3g}' if name in other else '–'} |")


if __name__ == "__main__":
    main()
