"""The command `textgrad-agents`: one word names what to do, the rest belongs to that."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

from textgrad_agents.errors import TextgradAgentsError
from training.command_line import exit_code, fail

COMMANDS: Mapping[str, tuple[str, str]] = {
    "doctor": ("training.commands.doctor", "say what this machine has for training"),
    "envs": ("training.commands.envs", "list the environments that are registered"),
    "models": ("training.commands.models", "list the known models, or make a built-in one"),
    "optimize": ("training.commands.optimize", "improve a prompt file with examples from a JSONL file"),
    "policies": ("training.commands.policies", "show, compare or reset the policies in a policy file"),
    "rebuild": ("training.commands.rebuild", "make the files of a run anew from its journal"),
    "run": ("training.commands.run", "let an agent try a task in an environment, and watch it"),
    "serve": ("training.commands.serve", "offer an engine as an OpenAI-compatible server on this machine"),
    "tools": ("training.commands.tools", "show an environment's tools on a page where a person can call them"),
}
"""Name: module with ``main(arguments) -> exit code``, and what the command is for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0
    if given[0] not in COMMANDS:
        fail(f"textgrad-agents has no command {given[0]!r}; it has {', '.join(COMMANDS)}")
    module = importlib.import_module(COMMANDS[given[0]][0])
    try:
        return int(module.main(given[1:]))
    except (TextgradAgentsError, OSError) as error:
        fail(error, exit_code(error))
    except KeyboardInterrupt:
        fail("stopped", 130)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = "".join(f"  {name:<{width}}  {what}\n" for name, (_, what) in COMMANDS.items())
    return (
        f"usage: textgrad-agents COMMAND …\n\n{lines}\n"
        "textgrad-agents COMMAND --help tells more. Training scripts are src/train_*.py.\n"
    )
