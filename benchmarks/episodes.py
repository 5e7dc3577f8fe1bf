"""Episodes of Pistonball: how long with a model that takes its time, how large on disk, and whether memory grows.

python benchmarks/episodes.py model     # with a model behind an address; the one-after-another peer takes minutes
python benchmarks/episodes.py files     # an episode's folder
python benchmarks/episodes.py memory    # 1,000 episodes in one process
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
from pathlib import Path

import psutil
from loopback import reset, running, stats

from textgrad_agents.engines import LLMConfig, RulebookEngine, Stack, make_engine
from textgrad_agents.interfaces import Engine
from textgrad_agents.trajectory import Episode
from training.collect import Collector
from training.config import TrainingConfig
from training.export import write_episode

POLICY = "When the ball is close on my left, push up."


def collect(engine: Engine, config: TrainingConfig, episodes: range, *, parallel: int = 8) -> list[Episode]:
    """The episodes, recorded."""
    collector = Collector(config.environment.make, engine, seed=config.seed, parallel=parallel)
    policies = dict.fromkeys(collector.environment.agents, POLICY)

    async def play() -> list[Episode]:
        return await collector.collect(policies, branch="train", iteration=0, episodes=episodes, temperature=0.15)

    try:
        return asyncio.run(play())
    finally:
        collector.close()


def measure_model(latency: float, pistons: int, cycles: int, episodes: int) -> None:
    """Concurrent agents and episodes beside the same program at one call at a time.

    The peer asks for one agent after another and plays one episode after another, as seed systems do; it is this
    program with one place in its lane, and one episode of few cycles, whose time per call is scaled up.
    """
    print(f"{pistons} pistons, {episodes} episodes of {cycles} cycles, a model that answers after {latency:g} s")
    with running(latency) as address:
        model = LLMConfig(name="loopback", model_string="loopback", base_url=address, api_key_env_var=None)
        collect(make_engine(model), TrainingConfig(num_pistons=2, max_cycles=1), range(1))  # the client is imported
        rows = (
            ("ours", 64, episodes, cycles),
            ("one after another", 1, 1, 3),
        )
        for name, lane, count, length in rows:
            config = TrainingConfig(num_pistons=pistons, max_cycles=length)
            engine = Stack(concurrency=lane)(make_engine(model))
            reset(address)
            wall, cpu = time.perf_counter(), time.process_time()
            played = collect(engine, config, range(count), parallel=count)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert [(one.length, one.error) for one in played] == [(length, None)] * count
            asked = stats(address)
            calls = sum(asked["calls"].values())
            print(f"{name}: {calls} calls, {asked['peak']} at most at once, {wall:.2f} s, {cpu:.2f} s of CPU")
            if lane == 1:
                whole = wall / calls * pistons * cycles * episodes
                print(f"  {wall / calls:.3f} s per call, so {whole:.0f} s for the whole iteration")
            else:
                print(f"  {wall / (length * latency):.2f} x (cycles x latency = {length * latency:.1f} s)")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def measure_files(pistons: int, cycles: int) -> None:
    """The folder of a full episode, and the cost of writing it beside that of playing it."""
    config = TrainingConfig(num_pistons=pistons, max_cycles=cycles)
    number = next(one.episode_id for one in collect(RulebookEngine(), config, range(20)) if one.length == cycles)
    played = time.process_time()
    [episode] = collect(RulebookEngine(), config, range(number, number + 1))
    played = time.process_time() - played
    with tempfile.TemporaryDirectory() as folder:
        times: list[float] = []
        for i in range(5):
            began = time.process_time()
            write_episode(Path(folder) / str(i), episode)
            times.append(time.process_time() - began)
        sizes = {path.name: path.stat().st_size for path in sorted((Path(folder) / "0").iterdir())}
    print(f"{pistons} pistons, {cycles} cycles")
    for name, size in sizes.items():
        print(f"{name:<24} {size / 1000:>8.0f} kB")
    print(f"{'in all':<24} {sum(sizes.values()) / 1000:>8.0f} kB")
    print(f"written in {min(times):.3f} s of CPU, played by the built-in engine in {played:.3f} s of CPU")


def measure_memory(episodes: int) -> None:
    """Resident memory while episodes are played, recorded and dropped, after every tenth of them."""
    process = psutil.Process()
    config = TrainingConfig(num_pistons=10, max_cycles=30)
    collector = Collector(config.environment.make, RulebookEngine())
    policies = dict.fromkeys(collector.environment.agents, POLICY)
    sizes: list[float] = []
    for tenth in range(11):
        numbers = range(tenth * episodes // 10, (tenth + 1) * episodes // 10)

        async def play(numbers: range = numbers) -> None:
            for number in numbers:
                await collector.collect(policies, branch="train", iteration=0, episodes=[number], temperature=0.15)

        asyncio.run(play())
        gc.collect()
        sizes.append(process.memory_info().rss / 1e6)
    first, last = sizes[1], sizes[-1]
    print(f"resident memory after each tenth of {episodes} episodes, after as many to warm up:")
    print(", ".join(f"{size:.1f}" for size in sizes[1:]), "MB")
    print(f"last against first: {100 * (last / first - 1):+.1f} %; greatest {max(sizes[1:]):.1f} MB")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("model", "files", "memory"))
    parser.add_argument("--latency", type=float, default=0.5)
    parser.add_argument("--episodes", type=int, default=1000, help="of `memory`")
    arguments = parser.parse_args()
    match arguments.what:
        case "model":
            measure_model(arguments.latency, 20, 20, 3)
        case "files":
            measure_files(20, 125)
        case _:
            measure_memory(arguments.episodes)


if __name__ == "__main__":
    main()
