"""From flags to a finished run: what all training scripts share.

Exit codes: 0 done, 1 something failed while running, 2 something that was given cannot be used, 3 a limit is reached,
130 stopped by Ctrl-C. After 1, 3 and 130 the same command goes on where the run ended.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from textgrad_agents.errors import BudgetError, ConfigError, EngineAccessError, TextgradAgentsError
from training.command_line import exit_code, fail
from training.config import TrainingConfig, display_name
from training.tables import amount, make_table, print_table, say

if TYPE_CHECKING:
    from collections.abc import Generator

    from textgrad_agents.engines.middleware import Spent
    from textgrad_agents.interfaces import Engine
    from training.engines import Limits
    from training.monte_carlo import MonteCarloTrainer, Stats

LIMIT_REACHED, STOPPED = 3, 130


def add_run_flags(parser: argparse.ArgumentParser) -> Collection[str]:
    """Add the flags that say how to run (and are no settings of the run); returns their names."""
    group = parser.add_argument_group("running")
    group.add_argument("--config", type=Path, metavar="FILE", help="settings from a config.json; flags win over it")
    group.add_argument("--list_models", action="store_true", help="list the known models and leave")
    group.add_argument("--base_url", metavar="URL", help="server of the model, if it is another than the model's own")
    group.add_argument("--api_key_env", metavar="NAME", help="environment variable that holds the model's key")
    group.add_argument("--evaluate", type=int, metavar="N", help="train nothing: play N fresh episodes and report")
    group.add_argument("--dry_run", action="store_true", help="ask nobody: say what the run may use and cost")
    group.add_argument("--budget_usd", type=float, metavar="X", help="most dollars of the run, all its starts together")
    group.add_argument("--max_calls", type=int, metavar="N", help="most model calls of the run, failed tries too")
    group.add_argument("--max_hours", type=float, metavar="H", help="most hours of this start of the run")
    group.add_argument("--overwrite", action="store_true", help="start anew where a run of this name exists")
    group.add_argument(
        "--progress", default="auto", choices=("auto", "rich", "plain", "none"), help="how to show progress (auto)"
    )
    return (
        *("config", "list_models", "base_url", "api_key_env", "evaluate", "overwrite", "progress"),
        *("dry_run", "budget_usd", "max_calls", "max_hours"),
    )


def launch(
    settings: dict[str, Any],
    flags: argparse.Namespace,
    *,
    command: str,
    notes: Sequence[str] = (),
    finish: Callable[[MonteCarloTrainer], None] | None = None,
) -> int:
    """Train, evaluate or list models, as the flags say; returns the exit code.

    Args:
        settings: of the run, as given.
        flags: how to run.
        command: what to type to run the script again.
        notes: lines that a user should read before training starts.
        finish: done at the end of a training that was not stopped.
    """
    try:
        if flags.list_models:
            from training.commands.models import print_models

            print_models()
            return 0
        from training.dry_run import print_estimates
        from training.engines import Limits

        config = configure(settings, flags)
        logging.basicConfig(level=config.log_level, format="%(levelname)s %(name)s: %(message)s")
        if config.log_level != "DEBUG":
            logging.getLogger("httpx2").setLevel(logging.WARNING)  # it has a line for every request
        if flags.dry_run:
            return print_estimates(config, overwrite=flags.overwrite)
        limits = Limits(flags.budget_usd, flags.max_calls, flags.max_hours)
        if flags.evaluate is not None:
            return evaluate(config, flags.evaluate, limits)
        return train(
            config,
            limits,
            overwrite=flags.overwrite,
            progress=flags.progress,
            command=command,
            notes=notes,
            finish=finish,
        )
    except BudgetError as error:
        fail(error, LIMIT_REACHED)
    except (TextgradAgentsError, OSError) as error:
        fail(error, exit_code(error))
    except KeyboardInterrupt:
        fail("stopped at once; finished parts are saved, and the same command goes on from there", STOPPED)


def configure(settings: dict[str, Any], flags: argparse.Namespace) -> TrainingConfig:
    """The run's settings: flags over the file over the defaults.

    Raises:
        ConfigError, FileFormatError: a setting, the config file or the model cannot be used.
    """
    config = TrainingConfig.from_json(flags.config, **settings) if flags.config else TrainingConfig(**settings)
    if flags.base_url or flags.api_key_env:
        from textgrad_agents.engines import LLMConfig, get_llm_config

        model = config.llm_config if config.llm_config is not None else config.model
        if model == "auto":
            raise ConfigError("--base_url and --api_key_env are about a model: name it with --model")
        if isinstance(model, LLMConfig):
            changes = {"base_url": flags.base_url, "api_key_env_var": flags.api_key_env}
            model = model.replaced(**{name: value for name, value in changes.items() if value})
        else:
            model = get_llm_config(model, base_url=flags.base_url, api_key_env_var=flags.api_key_env)
        config = config.replaced(llm_config=model)
    return config


# -- training ----------------------------------------------------------------------------------------------------


def train(
    config: TrainingConfig,
    limits: Limits,
    *,
    overwrite: bool,
    progress: str,
    command: str,
    notes: Sequence[str] = (),
    finish: Callable[[MonteCarloTrainer], None] | None = None,
) -> int:
    """Run the training of `config` and print what came of it."""
    from envs.faults import close
    from training.engines import Engines
    from training.monte_carlo import MonteCarloTrainer
    from training.progress import make_progress

    if config.base_model is not None:
        close(config.environment.make())  # what cannot be played is said before a model is loaded
    engines = None
    if config.agent_type == "llm":
        engines = Engines.of(config)
        engines.check(limits)
        addresses = {model.name: model.base_url for model in config.models.values()}
        if config.sampler != "local":
            addresses[str(config.base_model)] = config.sampler
        for model, address in addresses.items():
            check_local_server(model, address)
    view: Any = None
    with MonteCarloTrainer(
        config, engines=engines, limits=limits, overwrite=overwrite, on_event=lambda event: view.show(event)
    ) as trainer:
        config = trainer.config
        for line in (*announcement(config), *notes, *trainer.notes):
            say(line)
        view = make_progress(
            cast("Any", progress), config.num_iterations, config.trajectories_per_iteration, trainer.meter, sys.stderr
        )
        with view, stopping(trainer.request_stop):
            stats = trainer.train_full()
        again = f"{command} --config {shlex.quote(str(trainer.run.path / 'config.json'))}"
        report(trainer, stats, again)
        if finish is not None and not trainer.stopped:
            finish(trainer)
    if trainer.limit_reached:
        say(f"stopped: {trainer.limit_reached}. To go on: {again}, with a higher limit or none")
        return LIMIT_REACHED
    if trainer.stopped:
        say(f"stopped as asked; everything finished is saved. To go on: {again}")
        return STOPPED
    return 0


def check_local_server(model: str, base_url: str | None) -> None:
    """A server on this machine that is not there will not come by waiting.

    Raises:
        EngineAccessError: nothing listens at the model's address on this machine.
    """
    from textgrad_agents.engines.models.providers import is_loopback

    if base_url is None or not is_loopback(base_url):
        return
    address = urlsplit(base_url)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "localhost", port), timeout=5).close()
    except OSError as error:
        raise EngineAccessError(
            f"nothing answers at {base_url} ({error.strerror or error}): start the server of {model!r}, "
            "or name another address"
        ) from None


def announcement(config: TrainingConfig) -> list[str]:
    """What a user should know before a run starts: who answers, and what of it will end soon."""
    from textgrad_agents.engines.models import retirement_notice

    if config.agent_type == "rule":
        return ["agents follow the hand-written rule: no model is asked and nothing is learned"]
    asked = {role: model for role, model in config.models.items() if role in config.asked_roles}
    local = [] if config.base_model is None else [f"agents: {_sampled(config)}", f"learning: {_learning(config)}"]
    models = {model.name: model for model in asked.values()}
    if not models:
        return [*local, "no other model is asked"]
    if set(models) == {"rulebook"}:
        whose = f" of {listed([*asked])}" if local else ""
        lines = [*local, f"engine{whose}: rulebook, the built-in rule learner (no key, no network)"]
        if os.environ.get("OPENAI_API_KEY"):
            lines.append("OPENAI_API_KEY is set and not used; --model gpt-4o-mini would use it and cost money")
        return lines
    by_name: dict[str, list[str]] = {}
    for role, model in asked.items():
        by_name.setdefault(display_name(model), []).append(role)
    one = len(by_name) == 1 and not local
    shown = [f"engine{'' if one else f' of {listed(roles)}'}: {name}" for name, roles in by_name.items()]
    notices = [retirement_notice(model, date.today()) for model in models.values()]
    return [*local, *shown, *(notice for notice in notices if notice)]


def _sampled(config: TrainingConfig) -> str:
    where = "in this process" if config.sampler == "local" else f"sampled by {config.sampler}"
    return f"{config.base_model}, {where}"


def _learning(config: TrainingConfig) -> str:
    numeric = config.numeric
    weights = f"an adapter of rank {numeric.rank} for all agents ({numeric.algorithm}, lr {numeric.lr:g})"
    return {"text": "the policies' texts", "weights": weights, "both": f"{weights}, then the policies' texts"}[
        config.update
    ]


def listed(names: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


@contextmanager
def stopping(request: Callable[[], None]) -> Generator[None]:
    """Ctrl-C once asks to stop, twice stops at once."""

    def interrupt(_: int, __: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("stopping after the running episodes; press Ctrl-C again to stop at once")
        request()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def report(trainer: MonteCarloTrainer, stats: list[Stats], again: str) -> None:
    """Print the table of the iterations, what they used, and where everything is."""
    if stats:
        what = "learned" if any("weights" in row for row in stats) else "proposal"
        table = make_table(trainer.config.exp_name, "iteration", "average", "least", "greatest", what, words=(what,))
        for row in stats:
            numbers = (amount(row[key]) for key in ("avg_reward", "min_reward", "max_reward"))
            table.add_row(str(row["iteration"]), *numbers, row["decision"])
        print_table(table)
    budget = trainer.engines.budget if trainer.engines else None
    if budget is not None:
        report_usage(stats, budget.spent())
    for line in (*shortfalls(stats), *standing(trainer, stats)):
        say(line)
    for name, path in trainer.results().items():
        say(f"{name}: {path}")
    if stats and not trainer.stopped and not trainer.stopped_early:
        say(f"to go on: {again} --num_iterations {trainer.config.num_iterations + 5}")


def report_comparison(trainer: MonteCarloTrainer, tasks: int) -> None:
    """Print what prompts and weights were worth, on so many fresh tasks, and write it into the run's summary."""
    from training.two_by_two import as_table

    if tasks < 1:
        return
    cells = trainer.compare(tasks)
    played = cells[0].to_dict()
    counted = f"{played['tasks']} problems" if played["tasks"] else f"{played['episodes']} episodes"
    print_table(as_table(cells, f"on {counted} that nothing was learned from, with 95 % intervals"))
    rows = trainer.run.read_summary()
    trainer.run.write_summary([*rows[:-1], {**rows[-1], "comparison": [cell.to_dict() for cell in cells]}])


def shortfalls(stats: list[Stats]) -> list[str]:
    """What went wrong without ending the run, counted over its iterations."""
    from training.iteration_rows import UNUSABLE

    counts = {said: sum(row.get(name, 0) for row in stats) for name, said in UNUSABLE.items()}
    return [f"{count} {said}" for said, count in counts.items() if count]


def standing(trainer: MonteCarloTrainer, stats: list[Stats]) -> list[str]:
    """Why training ended before its last iteration, if the mean return is the reason; and the best so far."""
    lines: list[str] = []
    if trainer.stopped_early:
        lines.append(
            f"stopped early: no better mean return than {amount(stats[-1]['best_avg_reward'])} of iteration "
            f"{stats[-1]['best_iteration']} in the last {trainer.config.patience} iterations; "
            "a greater --patience goes on"
        )
    if best := trainer.best():
        number = (trainer.policy_manager.first_iteration if trainer.policy_manager else 0) + best.updates
        lines.append(f"best policies: iteration_{number} of the policy file, mean return {amount(best.mean_return)}")
    return lines


def report_usage(stats: list[Stats], spent: Spent) -> None:
    """Print what the replies used that the iterations are made of, by role, and what was spent in all."""
    table = make_table("replies used", "role", "calls", "tokens in", "tokens out", "USD")
    for role in dict.fromkeys(role for row in stats for role in row["by_role"]):
        used = [row["by_role"][role] for row in stats if role in row["by_role"]]
        counts = (f"{sum(one[key] for one in used):,}" for key in ("calls", "input_tokens", "output_tokens"))
        table.add_row(role, *counts, f"{sum(one['cost_usd'] for one in used):.4f}")
    print_table(table)
    say(
        f"spent by all starts of the run, failed tries and unfinished iterations too: ${spent.usd:.4f}, "
        f"{spent.tokens:,} tokens, {spent.calls:,} calls"
    )


# -- evaluating --------------------------------------------------------------------------------------------------


def evaluate(config: TrainingConfig, episodes: int, limits: Limits) -> int:
    """Play fresh episodes with the policy of `config`, its weights too, and print how it did."""
    from textgrad_agents.session import Session
    from training.episode_generator import EpisodeGenerator

    if episodes < 1:
        raise ConfigError(f"--evaluate needs at least 1 episode, got {episodes}")
    policies = engine = None
    if config.agent_type == "llm":
        policies, engine = _present(config, limits)
    generator = EpisodeGenerator.of(config, engine)
    chosen = "exp_name" in config.model_fields_set
    parent = config.experiments_dir / config.exp_name if chosen else config.experiments_dir
    folder = parent / f"evaluation_{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}"
    with Session(seed=config.seed, concurrency=config.concurrency):  # closes connections at its end
        summary = generator.evaluate_policy(policies, episodes, save_dir=folder)
    generator.close()
    mean, interval = summary["mean_reward"], summary["interval_95"]
    if mean is None:
        raise ConfigError(f"all {episodes} episodes failed: {summary['first_error']}")
    spread = f", 95 % interval {amount(interval[0])} to {amount(interval[1])}" if interval else ""
    failed = summary["failed_episodes"]
    if failed:
        say(f"{failed} of {episodes} episodes failed and are left out: {summary['first_error']}")
    say(f"{episodes - failed} episodes: mean {amount(mean)}{spread}, least {amount(summary['min_reward'])}, "
        f"greatest {amount(summary['max_reward'])}")  # fmt: skip
    say(f"summary: {folder / 'evaluation_summary.json'}")
    return 0


def _present(config: TrainingConfig, limits: Limits) -> tuple[dict[str, str], Engine]:
    """The current policies of the config's policy file, and the engine that acts, with the weights that they name.

    Raises:
        ConfigError: there is no policy file, or its weights are missing or for another model.
        FileFormatError: it is damaged, or for other agents.
    """
    from textgrad_agents.engines import Stack
    from training.engines import Engines
    from training.policy_manager import PolicyManager

    path = config.policy_path
    if not path.exists():
        raise ConfigError(f"there is no policy file {path} to evaluate; name one with --policy_path")
    environment = config.environment.make()
    environment.close()
    manager = PolicyManager(path, agent_names=environment.agents)
    weights = manager.get_current_weights()
    engines = Engines.of(config)
    if engines.local is not None:
        engines = replace(engines, actor=engines.local.engine_of(weights, path.parent, "evaluated"))
        say(f"agents: {_sampled(config)}, {'without an adapter' if weights is None else f'adapter {weights.path}'}")
    elif weights is not None:
        say(f"the weights in {path} are not used: they are of base_model {weights.base_model}, and none is given")
    working = engines.at_work(Stack(concurrency=config.concurrency, budget=limits.budget()))
    return manager.get_current_policies(), working.actor
