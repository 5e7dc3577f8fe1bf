"""What the graph itself costs, beside LDP's compute graph: numbers alone, no model, no waiting.

    python benchmarks/graph_overhead.py

Times are CPU time of this process, the best of several runs with the garbage collector on.
"""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from typing import Any

import peers

from textgrad_agents.ops.base import Op
from textgrad_agents.variables.graph import compute_grads
from textgrad_agents.variables.variable import Variable


class Bump(Op):
    """One in, one out."""

    def forward(self, x: float) -> float:
        return x + 1

    def backward(self, ctx: Any, input_args: Any, input_kwargs: Any, grad_output: Any, call_id: Any) -> Any:
        return [], {"x": grad_output}


class Join(Op):
    """Two in, one out."""

    def forward(self, x: float, y: float) -> float:
        return x + y

    def backward(self, ctx: Any, input_args: Any, input_kwargs: Any, grad_output: Any, call_id: Any) -> Any:
        return [], {"x": grad_output, "y": grad_output}


BUMP, JOIN = Bump(), Join()


def leaf() -> Variable[float]:
    return Variable(1.0, role_description="start")


def chain(length: int) -> Variable[Any]:
    value = leaf()
    for _ in range(length):
        value = BUMP(value)
    return value


def ladder(count: int) -> Variable[Any]:
    """Two branches of one value that meet again, `count` times."""
    value = leaf()
    for _ in range(count):
        value = JOIN(BUMP(value), BUMP(value))
    return value


def forward(calls: int) -> float:
    """Microseconds per op call."""
    start = leaf()
    started = time.process_time()
    for _ in range(calls):
        BUMP(start)
    return (time.process_time() - started) / calls * 1e6


def backward(length: int) -> float:
    """Microseconds per node of a chain."""
    result = chain(length)
    started = time.process_time()
    compute_grads(result, 1.0)
    return (time.process_time() - started) / length * 1e6


def diamonds(count: int) -> float:
    """Seconds for the backward of a ladder."""
    result = ladder(count)
    started = time.process_time()
    compute_grads(result, 1.0)
    return time.process_time() - started


def left_behind(calls: int) -> float:
    """Bytes per op call that stay after the result of a chain is dropped."""
    gc.collect()
    tracemalloc.start()
    compute_grads(chain(calls), 1.0)
    gc.collect()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return left / calls


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    peers.announce("ldp")

    def best(measure: Any, size: int) -> float:
        return min(measure(size) for _ in range(args.repeats))

    lengths, peer_lengths = [100, 900, 1_000, 10_000, 100_000], [100, 900, 1_000, 10_000]
    steps, peer_steps = [10, 18, 100, 1_000, 10_000], [10, 14, 18]
    ldp = peers.measure(
        "ldp",
        "ldp_graph.py",
        *("--repeats", str(args.repeats)),
        *("--chains", *map(str, peer_lengths)),
        *("--diamonds", *map(str, peer_steps)),
    )

    print("\n| per op call | textgrad-agents | LDP |\n|---|---|---|")
    print(f"| forward | {best(forward, 5_000):.1f} µs | {peer(ldp, 'forward', '{:.1f} µs')} |")
    for length in lengths:
        theirs = peer(ldp, "chains", "{:.1f} µs", length)
        print(f"| backward of a chain of {length:,}, per node | {best(backward, length):.1f} µs | {theirs} |")
    print(f"| memory left after the result is dropped | {left_behind(5_000):.0f} B | {peer(ldp, 'left', '{:.0f} B')} |")

    print("\n| ladder of diamonds, whole backward | textgrad-agents | LDP |\n|---|---|---|")
    for count in steps:
        print(f"| {count:,} diamonds | {best(diamonds, count) * 1e3:.1f} ms | {milliseconds(ldp, count)} |")


def peer(found: dict[str, Any] | None, key: str, form: str, size: int | None = None) -> str:
    """A peer's figure as the table shows it."""
    if found is None:
        return "–"
    value = found[key]
    if size is not None:
        if str(size) not in value:
            return "–"
        value = value[str(size)]
    return "RecursionError" if value is None else form.format(value)


def milliseconds(found: dict[str, Any] | None, count: int) -> str:
    seconds = (found or {}).get("diamonds", {}).get(str(count))
    return "–" if seconds is None else f"{seconds * 1e3:,.1f} ms"


if __name__ == "__main__":
    main()
