"""`textgrad-agents policies`: look at the versions in a policy file, compare them, go back to one, publish one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from textgrad_agents.errors import ConfigError
from textgrad_agents.policy import AdapterReference, read_policy_file
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
        _diff(manager, flags.before, flags.after)
    elif flags.command == "publish":
        if flags.to.exists():
            raise ConfigError(f"{flags.to} exists; publish to another file, or remove it first")
        manager.publish(flags.to, file.current_iteration, flags.description)
        sys.stdout.write(f"iteration {file.current_iteration} is published in {flags.to}\n")
    else:
        manager.reset_to_iteration(flags.iteration)
        sys.stdout.write(f"iteration {flags.iteration} is current in {flags.policy_path}\n")
    return 0


def _weights(manager: PolicyManager, iteration: int) -> dict[AdapterReference, list[str]]:
    """The adapters of a version, each with its agents."""
    found: dict[AdapterReference, list[str]] = {}
    for agent, policy in manager.file.at(iteration).of(manager.agent_names).items():
        if policy.adapter is not None:
            found.setdefault(policy.adapter, []).append(agent)
    return found


def _diff(manager: PolicyManager, before: int, after: int) -> None:
    """Print what changed in the texts, and whether the weights are others."""
    changed = manager.diff(before, after)
    for agent, text in changed.items():
        sys.stdout.write(f"{agent}\n{text}\n")
    old, new = (sorted(one.sha256[:16] for one in _weights(manager, number)) for number in (before, after))
    if old != new:
        sys.stdout.write(f"weights: {', '.join(old) or 'none'} in {before}, {', '.join(new) or 'none'} in {after}\n")
    if not changed and old == new:
        sys.stdout.write(f"iterations {before} and {after} have the same policies\n")


def _show(manager: PolicyManager, iteration: int) -> None:
    """Print policies, equal ones once, and the numbers of each version."""
    groups: dict[str, list[str]] = {}
    for agent, text in manager.load_specific_iteration(iteration).items():
        groups.setdefault(text, []).append(agent)
    sys.stdout.write(f"iteration {iteration} of {manager.policy_path} (current: {manager.current_iteration})\n")
    for text, agents in groups.items():
        sys.stdout.write(f"\n{', '.join(agents)}\n{text}\n")
    for adapter, agents in _weights(manager, iteration).items():
        missing = "" if (manager.policy_path.parent / adapter.path).is_dir() else " (MISSING)"
        sys.stdout.write(
            f"\nweights of {', '.join(agents)}: {adapter.path}{missing}\n"
            f"an adapter of base_model {adapter.base_model}, sha256 {adapter.sha256}\n"
        )
    for row in manager.get_training_history():
        sys.stdout.write(
            f"\niteration {row['iteration']}: average {amount(row.get('avg_reward', float('nan')))} before it, "
            f"{row.get('decision', '')}"
        )
    sys.stdout.write("\n")
