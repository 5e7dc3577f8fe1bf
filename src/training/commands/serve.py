"""`textgrad-agents serve`: an engine as an OpenAI-compatible server on this machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from textgrad_agents.engines import LLMConfig, ScriptedEngine, make_engine
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
        "engine",
        metavar="ENGINE",
        help="rulebook, scripted, a known model, local:FOLDER, or the JSON file of an LLM config",
    )
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help=f"0: a free one (default: {_DEFAULT_PORT})")
    parser.add_argument(
        "--replies", type=Path, metavar="FILE", help="for scripted: JSON list of replies, or text in the request: reply"
    )
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="FOLDER",
        help="for local: an adapter, named by its folder; the first answers requests that hold no field adapter",
    )
    parser.add_argument("--device", default="auto", help="for local: auto, cpu or cuda (default: auto)")
    flags = parser.parse_args(arguments)
    if flags.engine.startswith("local:"):
        engine = _local(flags.engine, flags.adapter, flags.device)
    elif flags.adapter or flags.device != "auto":
        raise ConfigError(f"--adapter and --device belong to an engine local:FOLDER, not to {flags.engine}")
    else:
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


def _local(name: str, adapters: list[str], device: str) -> Engine:
    extra: dict[str, Any] = {"adapters": adapters, "device": device}
    return make_engine(LLMConfig(name=name, model_string=name, api_key_env_var=None, extra_params=extra))


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
