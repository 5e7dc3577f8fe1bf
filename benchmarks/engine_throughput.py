"""Calls per second through all middleware, beside the bare OpenAI client, from a server that answers at once.

    python benchmarks/engine_throughput.py

All ask the same server on this machine, 256 calls at once, in turns; each round begins with another. Around our engine
stand cache and budget in files, deadline, retries, lane, pace, circuit breaker and meter; then the journal, too, whose
rows are on the disk before a reply is used. No request repeats, so the cache is looked into and written to each time.
The server has a process of its own; on a machine with two free cores the client is the bottleneck. CPU time of the
client is what a busy machine does not blur.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import loopback
import openai

from textgrad_agents.engines import Budget, Cache, ChatEngine, LLMConfig, Stack
from textgrad_agents.interfaces import Engine
from textgrad_agents.journal import Journal, Journaled
from textgrad_agents.messages import system, user

BARE = "bare client"
SYSTEM = "You are one of ten pistons under a ball. " * 20


class Round(NamedTuple):
    """Calls per second of the clock, and milliseconds of CPU per call."""

    rate: float
    cpu: float


async def drive(ask: Callable[[int], Awaitable[object]], calls: int, concurrency: int) -> Round:
    """Make calls, so many at once."""
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            await ask(number)

    clock, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return Round(calls / (time.perf_counter() - clock), (time.process_time() - cpu) / calls * 1000)


def stacked(url: str, folder: Path, concurrency: int) -> tuple[Engine, Stack]:
    """Our engine with all its middleware, and the stack."""
    config = LLMConfig(
        name="m",
        model_string="m",
        base_url=url,
        max_tokens=100,
        requests_per_minute=1e9,
        tokens_per_minute=1e12,
        input_price_per_million=0.1,
        output_price_per_million=0.5,
    )
    budget = Budget(usd=1000.0, calls=10**9, tokens=10**12, hours=10.0, path=folder / "budget.sqlite")
    stack = Stack(budget=budget, cache=Cache(folder / "cache.sqlite"), concurrency=concurrency)
    return stack(ChatEngine(config)), stack


async def compare(url: str, folder: Path, calls: int, concurrency: int, rounds: int) -> None:
    """Measure in turns, and print."""
    client = openai.AsyncOpenAI(api_key="any", base_url=url, max_retries=0)
    plain, stack = stacked(url, folder / "plain", concurrency)
    inner, inner_stack = stacked(url, folder / "journaled", concurrency)
    journal = Journal(folder / "journal.sqlite")
    journaled = Journaled(inner, journal)
    begun = 0

    def ask_bare(number: int) -> Awaitable[object]:
        said = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"cycle {begun + number}"}]
        return client.chat.completions.create(model="m", messages=said, max_tokens=100)  # type: ignore[arg-type]

    def asking(engine: Engine) -> Callable[[int], Awaitable[object]]:
        return lambda number: engine.generate([system(SYSTEM), user(f"cycle {begun + number}")])

    sides = [(BARE, ask_bare), ("all but the journal", asking(plain)), ("with the journal", asking(journaled))]
    found: dict[str, list[Round]] = {name: [] for name, _ in sides}
    for _, ask in sides:
        await drive(ask, concurrency, concurrency)  # connections are made, modules loaded
    for _ in range(rounds):
        begun += calls
        for name, ask in sides:
            found[name].append(await drive(ask, calls, concurrency))
        sides.append(sides.pop(0))
    await client.close()
    asked = concurrency + rounds * calls
    for meter in (stack.meter, inner_stack.meter):
        assert meter.tally().failed == 0
        assert meter.tally().calls == asked, "an answer came from the cache"
    assert sum(tally.calls for tally in journal.tallies().values()) == asked
    journal.close()
    report(found)


def report(found: dict[str, list[Round]]) -> None:
    """Print the medians of all sides, and their ratios to the bare client, round by round."""
    for name, measured in found.items():
        rates, cpus = zip(*measured, strict=True)
        print(
            f"{name:<20}{statistics.median(rates):6.0f} calls/s ({min(rates):.0f} to {max(rates):.0f}), "
            f"{statistics.median(cpus):.2f} ms CPU per call ({min(cpus):.2f} to {max(cpus):.2f})"
        )
    for name in list(found)[1:]:
        pairs = list(zip(found[name], found[BARE], strict=True))
        clock = statistics.median(ours.rate / bare.rate for ours, bare in pairs)
        cpu = statistics.median(bare.cpu / ours.cpu for ours, bare in pairs)
        print(f"{name:<20}ratio to the bare client {clock:.2f} by the clock, {cpu:.2f} by CPU time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000, help="per round and side (default 2000)")
    parser.add_argument("--concurrency", type=int, default=256, help="calls at once (default 256)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    flags = parser.parse_args()
    with loopback.running(0) as address, tempfile.TemporaryDirectory() as place:
        asyncio.run(compare(address, Path(place), flags.calls, flags.concurrency, flags.rounds))
