"""`textgrad-agents tools`: a page on which a person sees and calls an environment's tools."""

from __future__ import annotations

import asyncio
import inspect
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from envs.environment import Environment
from envs.registry import ENV_REGISTRY
from textgrad_agents.errors import ConfigError
from training.command_line import Parser

_DEFAULT_PORT = 8000


def main(arguments: Sequence[str]) -> int:
    """Serve the page until Ctrl-C."""
    parser = Parser(
        prog="textgrad-agents tools",
        description="Show the tools of an environment as an agent sees them, on a page where they can be called.",
    )
    parser.add_argument("env", metavar="ENV", help="a name that `textgrad-agents envs` lists, or module:Class")
    parser.add_argument("--task", help="the task in words; without it, an environment without one")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind to (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=_DEFAULT_PORT, help=f"0: a free one (default: {_DEFAULT_PORT})")
    parser.add_argument("--token", help="what a visitor has to know (default: a new one, printed with the address)")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds that a call may take (default: 60)")
    flags = parser.parse_args(arguments)
    if ":" in flags.env:
        sys.path.insert(0, os.getcwd())  # a module in the folder that the command is called in
    token = secrets.token_urlsafe(16) if flags.token is None else flags.token
    from envs.tool_server import make_tool_server
    from envs.web.guard import check_bind
    from envs.web.serving import serve

    check_bind(flags.host, token, "give a --token")

    def say(url: str) -> None:
        address = f"{url}/?token={quote(token, safe='')}" if token else url
        sys.stdout.write(f"tools of {flags.env}: {address} (Ctrl-C stops it)\n")
        sys.stdout.flush()

    async def run() -> None:
        app = await make_tool_server(maker(flags.env, flags.task), f"Tools of {flags.env}", token, flags.timeout)
        await serve(app, flags.host, flags.port, ready=say)

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")
    return 0


def maker(name: str, task: str | None) -> Callable[[], Environment[Any]]:
    """What makes the environment of a name: from the task, or else without parameters, or else from an empty task.

    Raises:
        ConfigError: there is no such environment.
    """
    if task is None:
        try:
            inspect.signature(ENV_REGISTRY.find(name)).bind()
        except TypeError:
            task = ""

    def make() -> Environment[Any]:
        try:
            return Environment.from_name(name, task=task)
        except NotImplementedError as error:
            raise ConfigError(f"environment {name!r} cannot be made from a task alone ({error})") from None

    return make
