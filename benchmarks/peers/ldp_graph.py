"""LDP's compute graph, measured by its own interpreter; prints one JSON object. Run by `graph_overhead.py`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.metadata
import json
import sys
import time
import tracemalloc
from typing import Any

from ldp.graph import Op, OpCtx, compute_graph


class Bump(Op):
    async def forward(self, x: float) -> float:
        return x + 1

    @classmethod
    def backward(cls, ctx: Any, input_args: Any, input_kwargs: Any, grad_output: Any, call_id: Any) -> Any:
        return [], {"x": grad_output}


class Join(Op):
    async def forward(self, x: float, y: float) -> float:
        return x + y

    @classmethod
    def backward(cls, ctx: Any, input_args: Any, input_kwargs: Any, grad_output: Any, call_id: Any) -> Any:
        return [], {"x": grad_output, "y": grad_output}


async def forward(op: Any, calls: int) -> float:
    async with compute_graph():
        started = time.process_time()
        for _ in range(calls):
            await op(1.0)
        return (time.process_time() - started) / calls * 1e6


async def chain(op: Any, length: int) -> Any:
    value: Any = 1.0
    for _ in range(length):
        value = await op(value)
    return value


async def backward(op: Any, length: int) -> float:
    async with compute_graph():
        result = await chain(op, length)
        started = time.process_time()
        result.compute_grads()
        return (time.process_time() - started) / length * 1e6


async def diamonds(bump_op: Any, join_op: Any, count: int) -> float:
    """Seconds for the backward of a ladder of diamonds: two branches of one value that meet again, `count` times."""
    async with compute_graph():
        value = await bump_op(1.0)
        for _ in range(count):
            value = await join_op(await bump_op(value), await bump_op(value))
        started = time.process_time()
        value.compute_grads()
        return time.process_time() - started


async def left_behind(op: Any, calls: int) -> float:
    """Bytes per op call that stay after the result of a chain is dropped."""
    gc.collect()
    tracemalloc.start()
    async with compute_graph():
        result = await chain(op, calls)
    del result
    gc.collect()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return left / calls


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    bump_op, join_op = Bump(), Join()
    chains: dict[str, float | None] = {}
    found: dict[str, Any] = {"version": importlib.metadata.version("ldp"), "chains": chains}
    found["forward"] = min([await forward(bump_op, args.calls) for _ in range(args.repeats)])
    OpCtx.clear_contexts()
    for length in args.chains:
        try:
            chains[str(length)] = min([await backward(bump_op, length) for _ in range(args.repeats)])
        except RecursionError:
            chains[str(length)] = None
        OpCtx.clear_contexts()
    found["left"] = await left_behind(bump_op, args.calls)
    OpCtx.clear_contexts()
    ladder: dict[str, float] = {}
    found["diamonds"] = ladder
    for count in args.diamonds:
        ladder[str(count)] = await diamonds(bump_op, join_op, count)
        if ladder[str(count)] > args.patience:
            break
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chains", type=int, nargs="+", default=[100, 1_000])
    parser.add_argument("--diamonds", type=int, nargs="+", default=[2, 4, 6, 8])
    parser.add_argument("--patience", type=float, default=5.0, help="stop the ladder after a row of so many seconds")
    json.dump(asyncio.run(measure(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
