"""What tools cost, measured for this project or for Aviary by its own interpreter; prints one JSON object.

Run by `tools_speed.py`. Both are measured by the same code: only where names are imported from differs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

LIBRARIES = {
    "ours": {
        "import": "import envs",
        "envs": ["DummyEnv"],
        "textgrad_agents.messages": ["Message"],
        "textgrad_agents.tools": ["Tool", "ToolCall", "ToolRequestMessage"],
    },
    "aviary": {
        "import": "import aviary.core",
        "aviary.core": ["DummyEnv", "Message", "Tool", "ToolCall", "ToolRequestMessage"],
    },
}

IMPORT = "import time; start = time.process_time(); {}; print(time.process_time() - start)"


def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + b


async def add_later(a: int, b: int = 2) -> int:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + b


def each(work: Callable[[], object], times: int, repeats: int) -> float:
    """CPU microseconds of `work`, the best of several runs."""
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - start) / times)
    return best * 1e6


async def calls(env: Any, request: Any, times: int, repeats: int) -> float:
    """CPU microseconds per tool call of a request, the best of several runs."""
    best = float("inf")
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        for _ in range(times):
            await env.exec_tool_calls(request)
        best = min(best, (time.process_time() - start) / times / len(request.tool_calls))
    return best * 1e6


def measure(library: str, repeats: int) -> dict[str, float]:
    """All figures of a library."""
    places = dict(LIBRARIES[library])
    statement = str(places.pop("import"))
    found: dict[str, Any] = {}
    for module, names in places.items():
        found |= {name: getattr(importlib.import_module(module), name) for name in names}
    message, tool, call, request = (found[name] for name in ("Message", "Tool", "ToolCall", "ToolRequestMessage"))
    env = found["DummyEnv"]()
    env.tools = [tool.from_function(add), tool.from_function(add_later)]

    def asked(name: str, count: int) -> Any:
        return request(tool_calls=[call.from_name(name, a=1, b=2) for _ in range(count)])

    imports = [
        float(subprocess.run([sys.executable, "-c", IMPORT.format(statement)], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return {
        "Message()": each(lambda: message(role="user", content="hello"), 5_000, repeats),
        "ToolCall.from_tool": each(lambda: call.from_tool(env.tools[0], 1, b=2), 2_000, repeats),
        "Tool.from_function": each(lambda: tool.from_function(add), 100, repeats),
        "1 call, plain function": asyncio.run(calls(env, asked("add", 1), 300, repeats)),
        "1 call, async function": asyncio.run(calls(env, asked("add_later", 1), 300, repeats)),
        "100 calls at once, plain, each": asyncio.run(calls(env, asked("add", 100), 10, repeats)),
        "100 calls at once, async, each": asyncio.run(calls(env, asked("add_later", 100), 10, repeats)),
        "import": min(imports) * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    json.dump(measure(args.library, args.repeats), sys.stdout)


if __name__ == "__main__":
    main()
