"""Prompt optimization beside TextGrad: the same programs, the same chat server, one run.

    python benchmarks/textgrad_loop.py

The programs stand in `programs.py`; ours runs them under TextGrad's names, and once more written with our own. The
critical path is the latency of a call times the longest row of calls that must wait for each other; no scheduling can
be faster. Times are medians over the repeats; TextGrad, whose calls wait for each other, is measured once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from functools import partial
from typing import Any

import loopback
import peers
import programs

SAME = "the same program, import changed"
COLUMNS = (
    "program",
    "run by",
    "model calls: answers + losses / critics / optimizer",
    "most at once",
    "wall",
    "× critical path",
    "faster than TextGrad",
    "CPU",
)
ROWS = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


async def batch_async(engine: Any, size: int, *, trainable_inputs: bool = False) -> programs.Times:
    """The batch, written with this library's own names."""
    from textgrad_agents.ops import LLMCall, TextLoss, sum
    from textgrad_agents.optim import TextualGradientDescent
    from textgrad_agents.session import Session
    from textgrad_agents.variables import Variable

    async with Session(engine):
        started, cpu = time.perf_counter(), time.process_time()
        prompt = Variable("Answer the question.", role_description="system prompt to the language model")
        answer, judge = LLMCall(system_prompt=prompt), TextLoss(programs.EVALUATION)
        losses: list[Any] = []
        for number in range(size):
            text = f"What is {number} plus {number}?"
            question = Variable(text, requires_grad=trainable_inputs, role_description="question")
            losses.append(judge(answer(question)))
        total = await sum(losses)
        forward = time.perf_counter()
        await total.abackward()
        backward = time.perf_counter()
        await TextualGradientDescent([prompt]).astep()
        step = time.perf_counter()
        cpu = time.process_time() - cpu
        return programs.Times(forward - started, backward - forward, step - backward, cpu, prompt.value)


async def chain_async(engine: Any, length: int) -> programs.Times:
    """The chain, written with this library's own names."""
    from textgrad_agents.ops import LLMCall, TextLoss
    from textgrad_agents.optim import TextualGradientDescent
    from textgrad_agents.session import Session
    from textgrad_agents.variables import Variable

    async with Session(engine):
        started, cpu = time.perf_counter(), time.process_time()
        prompt = Variable("Rewrite the text.", role_description="system prompt to the language model")
        rewrite = LLMCall(system_prompt=prompt)
        text: Any = Variable("First text.", requires_grad=False, role_description="text")
        for _ in range(length):
            text = rewrite(text)
        loss = await TextLoss(programs.EVALUATION)(text)
        forward = time.perf_counter()
        await loss.abackward()
        backward = time.perf_counter()
        await TextualGradientDescent([prompt]).astep()
        step = time.perf_counter()
        cpu = time.process_time() - cpu
        return programs.Times(forward - started, backward - forward, step - backward, cpu, prompt.value)


class Bench:
    """One server, and the rows measured against it."""

    def __init__(self, address: str, latency: float, repeats: int) -> None:
        self.address = address
        self.latency = latency
        self.repeats = repeats
        self.reference: dict[str, float] = {}  # wall of TextGrad by program

    def row(self, program: str, by: str, path: int, run: Any, *, once: bool = False) -> None:
        """Measure and print one row; `path` is the number of calls on the critical path."""
        times: list[dict[str, Any]] = []
        stats: dict[str, Any] = {}
        for _ in range(1 if once else self.repeats):
            loopback.reset(self.address)
            found = run()
            if found is None:
                return
            stats = loopback.stats(self.address)
            times.append(found)
            assert found["prompt"] == loopback.IMPROVED, f"{by} did not improve the prompt: {found['prompt']!r}"
        wall, cpu = (statistics.median(one[name] for one in times) for name in ("wall", "cpu"))
        calls = stats["calls"]
        answers = calls.get("forward", 0) - times[-1].get("warm_up", 0)
        parts = f"{answers} + {calls.get('loss', 0)} / {calls.get('critic', 0)} / {calls.get('optimizer', 0)}"
        version = f" {times[-1]['version']}" if "version" in times[-1] else ""
        ratio = wall / (path * self.latency)
        if by == "TextGrad":
            self.reference[program] = wall
        faster = f"{self.reference[program] / wall:.1f} ×" if program in self.reference else "–"
        cells = [program, by + version, parts, stats["peak"], f"{wall:.2f} s", f"{ratio:.2f}", faster, f"{cpu:.2f} s"]
        print(f"| {' | '.join(map(str, cells))} |")

    def theirs(self, *args: str) -> dict[str, Any] | None:
        return peers.measure("textgrad", "textgrad_loop.py", *args, OLLAMA_BASE_URL=self.address)

    def under_their_names(self, program: Any, size: int, **kwargs: Any) -> dict[str, Any]:
        import textgrad_agents.compat.textgrad as tg
        from textgrad_agents.session import Session

        with Session():
            engine = tg.engine.openai.ChatOpenAI("loopback", base_url=self.address)
            engine("Hello?")  # the first call imports the client and opens its connection
            return program(tg, engine, size, **kwargs).as_dict() | {"warm_up": 1}

    def under_our_names(self, program: Any, size: int, **kwargs: Any) -> dict[str, Any]:
        from textgrad_agents.messages import user

        async def run() -> dict[str, Any]:
            engine = our_engine(self.address)
            await engine.generate([user("Hello?")])
            return (await program(engine, size, **kwargs)).as_dict() | {"warm_up": 1}

        return asyncio.run(run())


def our_engine(address: str) -> Any:
    from textgrad_agents.engines import ChatEngine, LLMConfig

    return ChatEngine(LLMConfig(name="loopback", model_string="loopback", base_url=address))


def floor(calls: int) -> float:
    """CPU seconds per call of the client alone: `calls` at once against a server that answers at once."""
    from textgrad_agents.messages import user

    async def run(address: str) -> float:
        engine = our_engine(address)
        await asyncio.gather(*(engine.generate([user("Hello?")]) for _ in range(calls)))
        started = time.process_time()
        await asyncio.gather(*(engine.generate([user(f"Question {number}")]) for number in range(calls)))
        return (time.process_time() - started) / calls

    with loopback.running(0.0) as address:
        return asyncio.run(run(address))


def compare(latency: float, size: int, length: int, repeats: int) -> None:
    """Print the table for one latency."""
    print(f"\nLatency of a call: {latency * 1000:.0f} ms\n\n{ROWS}")
    with loopback.running(latency) as address:
        bench = Bench(address, latency, repeats)
        batches: dict[str, dict[str, Any]] = {
            f"batch of {size}": {},
            f"batch of {size}, questions trainable too": {"trainable_inputs": True},
        }
        for program, how in batches.items():
            flags = [f"--{name}" for name in how]
            bench.row(program, "TextGrad", 5, partial(bench.theirs, "batch", "--size", str(size), *flags), once=True)
            bench.row(program, SAME, 5, partial(bench.under_their_names, programs.batch, size, **how))
            bench.row(program, "written async", 5, partial(bench.under_our_names, batch_async, size, **how))
        program, path = f"chain of {length}", 2 * length + 3
        bench.row(program, "TextGrad", path, partial(bench.theirs, "chain", "--size", str(length)), once=True)
        bench.row(program, SAME, path, partial(bench.under_their_names, programs.chain, length))
        bench.row(program, "written async", path, partial(bench.under_our_names, chain_async, length))


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.5, 0.05], help="seconds (default 0.5 0.05)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--chain", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        os.environ.pop(name, None)
    peers.announce("textgrad")
    for latency in args.latencies:
        compare(latency, args.batch, args.chain, args.repeats)
    print(f"\nCPU of our client alone, per call: {floor(args.batch) * 1000:.2f} ms at {args.batch} calls at once")


if __name__ == "__main__":
    main()
