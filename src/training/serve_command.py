"""`textgrad-agents serve`: an engine as an OpenAI-compatible server on this machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from textgrad_agents.engines import ScriptedEngine, make_engine
from textgrad_agents.engines.serve import EngineServer
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import read_json
from textgrad_agents.interfaces import Engine
from training.command_line import Parser

_DEFAULT_PORT = 8000


def main(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C."""
    parser = Parser(
        prog="textgrad-agents serve",
        description="Serve an engine under the address that it prints, in the form of OpenAI's Chat Completions.",
    )
    parser.add_argument(
        "engine", metavar="ENGINE", help="rulebook, scripted, a known model, or the JSON file of an LLM config"
    )
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help=f"0: a free one (default: {_DEFAULT_PORT})")
    parser.add_argument(
        "--replies", type=Path, metavar="FILE", help="for scripted: JSON list of replies, or text in the request: reply"
    )
    flags = parser.parse_args(arguments)
    engine = _engine(flags.engine, flags.replies)
    try:
        asyncio.run(_serve(engine, flags.port))
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")
    return 0


def _engine(name: str, replies: Path | None) -> Engine:
    if (name == "scripted") is (replies is None):
        raise ConfigError("--replies names the file that the engine scripted reads, and belongs to no other engine")
    if replies is None:
        return make_engine(name)
    script: Any = read_json(replies, what="file of replies")
    texts = cast("dict[str, Any]", script).values() if isinstance(script, dict) else cast("list[Any]", script)
    if not isinstance(script, list | dict) or not all(isinstance(text, str) for text in texts):
        raise FileFormatError(f"file of replies {replies} must hold a list of texts, or an object of texts")
    return ScriptedEngine(cast("list[str] | dict[str, str]", script))


async def _serve(engine: Engine, port: int) -> None:
    server = EngineServer(engine)
    url = await server.start(port)
    sys.stdout.write(
        f"serving {engine.name} at {url} (Ctrl-C stops it); use it with --base_url {url} --model {engine.name}\n"
    )
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await server.aclose()
