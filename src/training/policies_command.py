"""`textgrad-agents policies`: look at the versions in a policy file, compare them, go back to one, publish one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from textgrad_agents.errors import ConfigError
from textgrad_agents.policy import read_policy_file
from training.command_line import Parser
from training.policy_manager import PolicyManager
from training.tables import amount


def main(arguments: Sequence[str]) -> int:
    """Run `show`, `diff`, `reset` or `publish`."""
    parser = Parser(prog="textgrad-agents policies", description="Look at the policies in a policy file.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{show,diff,reset,publish}")
    show = commands.add_parser("show", help="print the policies of a version, and the history of all versions")
    diff = commands.add_parser("diff", help="print what changed between two versions")
    reset = commands.add_parser("reset", help="make an earlier version current; later ones stay in the file")
    publish = commands.add_parser("publish", help="write the current version to a file that runs only start from")
    for command in (show, diff, reset, publish):
        command.add_argument("--policy_path", type=Path, default=Path("policies/policy.json"), metavar="FILE")
    show.add_argument("--iteration", type=int, metavar="I", help="the version (default: the current one)")
    diff.add_argument("before", type=int)
    diff.add_argument("after", type=int)
    reset.add_argument("iteration", type=int)
    publish.add_argument("to", type=Path, metavar="TO")
    publish.add_argument("--description", required=True, help="what the policies are and how well they did")
    flags = parser.parse_args(arguments)
    file = read_policy_file(flags.policy_path)
    agents = file.agents or tuple(f"piston_{i}" for i in range(file.num_agents))
    manager = PolicyManager(flags.policy_path, agent_names=agents)
    if flags.command == "show":
        _show(manager, manager.current_iteration if flags.iteration is None else flags.iteration)
    elif flags.command == "diff":
        changed = manager.diff(flags.before, flags.after)
        for agent, text in changed.items():
            sys.stdout.write(f"{agent}\n{text}\n")
        if not changed:
            sys.stdout.write(f"iterations {flags.before} and {flags.after} have the same policies\n")
    elif flags.command == "publish":
        if flags.to.exists():
            raise ConfigError(f"{flags.to} exists; publish to another file, or remove it first")
        manager.publish(flags.to, file.current_iteration, flags.description)
        sys.stdout.write(f"iteration {file.current_iteration} is published in {flags.to}\n")
    else:
        manager.reset_to_iteration(flags.iteration)
        sys.stdout.write(f"iteration {flags.iteration} is current in {flags.policy_path}\n")
    return 0


def _show(manager: PolicyManager, iteration: int) -> None:
    """Print policies, equal ones once, and the numbers of each version."""
    groups: dict[str, list[str]] = {}
    for agent, text in manager.load_specific_iteration(iteration).items():
        groups.setdefault(text, []).append(agent)
    sys.stdout.write(f"iteration {iteration} of {manager.policy_path} (current: {manager.current_iteration})\n")
    for text, agents in groups.items():
        sys.stdout.write(f"\n{', '.join(agents)}\n{text}\n")
    for row in manager.get_training_history():
        sys.stdout.write(
            f"\niteration {row['iteration']}: average {amount(row.get('avg_reward', float('nan')))} before it, "
            f"{row.get('decision', '')}"
        )
    sys.stdout.write("\n")
