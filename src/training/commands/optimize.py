"""`textgrad-agents optimize`: improve a prompt file with examples from a JSONL file.

What it finds is written beside the prompt: the better prompt, and a JSON record of how it was found. The prompt file
itself is replaced with --write alone.
"""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from textgrad_agents.engines import Meter, Metered, Retried, get_llm_config, make_engine
from textgrad_agents.errors import ConfigError, FileFormatError
from textgrad_agents.files import write_text
from textgrad_agents.interfaces import Engine
from textgrad_agents.optim.constraints import template_fields
from textgrad_agents.optimize import (
    GateName,
    Metric,
    OptimizeResult,
    Round,
    Score,
    asking,
    contains,
    exact,
    optimize,
    read_examples,
    split,
)
from textgrad_agents.session import Session
from textgrad_agents.variables.variable import Variable
from training.command_line import Parser

BUILT_IN = ("auto", "rulebook")


def main(arguments: Sequence[str]) -> int:
    """Run the command; nothing is spent before everything that was given has been checked."""
    flags = _parser().parse_args(arguments)
    text = _read_prompt(flags.prompt_file)
    metric = _metric(flags)
    needed = list(template_fields(text)) or [flags.input_field]
    if flags.metric in COMPARISONS:
        needed.append(flags.answer_field)
    train, val = split(read_examples(flags.data, needed), flags.val_fraction, seed=flags.seed)
    out = _free_path(flags)
    meter = Meter()
    actor = _engine(flags.model, flags, meter)
    optimizer = actor if flags.optimizer_model is None else _engine(flags.optimizer_model, flags, meter)
    prompt: Variable[str] = Variable(text.strip(), role_description=flags.role, name="prompt")

    def progress(done: Round) -> None:
        if done.decision == "accepted":
            write_text(out, _like(text, done.changes[0].text))  # so that Ctrl-C loses nothing that was paid for
        _say(f"round {done.number + 1}: {done.reason} ({done.calls} of {flags.budget_calls} calls)")

    _say(f"{len(train)} examples to learn from, {len(val)} to decide; budget {flags.budget_calls} calls")
    with Session(actor, optimizer=optimizer, concurrency=flags.concurrency, seed=flags.seed):
        result = optimize(
            asking(prompt, flags.input_field),
            train,
            val,
            metric,
            parameters=[prompt],
            budget=flags.budget_calls,
            gate=flags.gate,
            minibatch=flags.minibatch,
            progress=progress,
        )
    record = out.with_name(f"{out.stem}.record.json")
    result.save(record)
    if result.accepted and flags.write:
        write_text(flags.prompt_file, _like(text, prompt.value))
    sys.stdout.write(_summary(result, meter, flags, out, record))
    return 0


def _parser() -> Parser:
    description = "Improve a prompt file with examples from a JSONL file."
    parser = Parser(prog="textgrad-agents optimize", description=description)
    add = parser.add_argument
    add("prompt_file", type=Path, metavar="PROMPT_FILE", help="the prompt; with {fields} in it, a template")
    add("--data", type=Path, required=True, metavar="FILE.jsonl", help="examples, one JSON object per line")
    add("--metric", required=True, metavar="exact|contains|MODULE:FUNCTION", help="how an output is scored")
    add("--model", required=True, help="who answers (textgrad-agents models lists the names)")
    add("--optimizer_model", metavar="MODEL", help="who rewrites the prompt, if it is another")
    add("--base_url", metavar="URL", help="server of the models, if it is another than their own")
    add("--api_key_env", metavar="NAME", help="environment variable that holds the key")
    add(
        "--input_field",
        default="question",
        metavar="NAME",
        help="field that the user says, for a prompt without {fields} (%(default)s)",
    )
    add("--answer_field", default="answer", metavar="NAME", help="field to compare with (%(default)s)")
    add("--role", default="prompt of a language model", help="what the prompt is for, in words (%(default)s)")
    add("--budget_calls", type=int, default=500, metavar="N", help="most model calls in all (%(default)s)")
    add("--val_fraction", type=float, default=0.5, metavar="F", help="share of examples that decide (%(default)s)")
    add("--gate", choices=get_args(GateName), default="sequential", help="when a prompt is taken (%(default)s)")
    add("--minibatch", type=int, default=4, metavar="N", help="examples per round (%(default)s)")
    add("--concurrency", type=int, default=16, metavar="N", help="most calls at once (%(default)s)")
    add("--seed", type=int, default=0, help="order of the examples and seeds of all calls (%(default)s)")
    add("--out", type=Path, metavar="FILE", help="where the better prompt goes (beside PROMPT_FILE)")
    add("--write", action="store_true", help="also replace PROMPT_FILE if a better prompt is found")
    return parser


def _read_prompt(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FileFormatError(f"prompt file {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise FileFormatError(f"prompt file {path} is not a UTF-8 text: {error.reason}") from None
    if not text.strip():
        raise FileFormatError(f"prompt file {path} is empty; write a first prompt into it")
    return text


COMPARISONS = {"exact": exact, "contains": contains}


def _metric(flags: Namespace) -> Metric:
    """The metric that the flag names.

    Raises:
        ConfigError: there is no such metric.
    """
    if flags.metric in COMPARISONS:
        return COMPARISONS[flags.metric](flags.answer_field)
    module_name, colon, name = flags.metric.partition(":")
    if not (module_name and colon and name):
        raise ConfigError(f"--metric must be exact, contains or MODULE:FUNCTION, got {flags.metric!r}")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module beside the user's files, as with `python -m`
    try:
        found: Any = getattr(importlib.import_module(module_name), name, None)
    except ModuleNotFoundError as error:
        raise ConfigError(f"--metric {flags.metric}: {error}") from None
    if not callable(found):
        raise ConfigError(f"--metric {flags.metric}: the module {module_name} has no function {name!r}")
    return found


def _engine(model: str, flags: Namespace, meter: Meter) -> Engine:
    """The engine of a model, counted on `meter`.

    Raises:
        ConfigError: no such model, or it cannot answer questions.
        MissingKeyError: its key is not set.
    """
    if model in BUILT_IN and flags.base_url is None:
        raise ConfigError(
            f"the built-in engine ({model}) plays by rules and answers no questions; name a language model with "
            "--model (textgrad-agents models lists them), or a server with --base_url"
        )
    config = get_llm_config(model, base_url=flags.base_url, api_key_env_var=flags.api_key_env)
    config.get_api_key()
    return Retried(Metered(make_engine(config), meter))


def _free_path(flags: Namespace) -> Path:
    """Where the better prompt goes; no file that is there is ever replaced.

    Raises:
        ConfigError: the file that the user named is there already.
    """
    prompt: Path = flags.prompt_file
    if flags.out is not None:
        if flags.out.exists():
            raise ConfigError(f"--out {flags.out} is there already; choose another name or remove it")
        return flags.out
    number, path = 1, prompt.with_name(f"{prompt.stem}.optimized{prompt.suffix}")
    while path.exists() or path.with_name(f"{path.stem}.record.json").exists():
        number += 1
        path = prompt.with_name(f"{prompt.stem}.optimized_{number}{prompt.suffix}")
    return path


def _summary(result: OptimizeResult, meter: Meter, flags: Namespace, out: Path, record: Path) -> str:
    tally = meter.tally()
    lines = [
        f"stopped: {result.stopped}",
        f"score on validation examples: {_shown(result.initial_score)} before, {_shown(result.score)} after",
        f"used: {result.calls} calls, {tally.usage.input_tokens} tokens in, {tally.usage.output_tokens} out"
        + (f", {tally.cost_usd:.4f} USD" if tally.cost_usd else ""),
        f"better prompt: {out}" if result.accepted else "no prompt was shown to be better",
        f"record: {record}",
    ]
    if result.accepted and flags.write:
        lines.append(f"replaced: {flags.prompt_file}")
    return "\n".join(lines) + "\n"


def _shown(score: Score) -> str:
    return "not measured" if score.mean is None else f"{score.mean:.3f} (over {score.examples})"


def _like(old: str, new: str) -> str:
    """`new` with the line break at the end that `old` has."""
    return f"{new}\n" if old.endswith("\n") else new


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
