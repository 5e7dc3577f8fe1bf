"""`textgrad-agents doctor`: what this machine has of what training may need. Keys are named, never shown."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, NamedTuple

from textgrad_agents.databases import file_system, is_on_network
from textgrad_agents.engines import get_llm_config
from textgrad_agents.engines.models.providers import PROVIDERS, is_loopback
from textgrad_agents.errors import ConfigError, FileFormatError, MissingKeyError
from textgrad_agents.policy import read_policy_file
from training.command_line import Parser
from training.tables import make_table, print_table

PACKAGES = ("textgrad-agents", "openai", "pydantic", "numpy", "pettingzoo", "torch", "transformers", "peft")
SECONDS = 5.0
_GIGA = 10**9


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        what: what was looked for.
        found: what is there.
        bad: True if training cannot work with it.
    """

    what: str
    found: str
    bad: bool = False


def main(arguments: Sequence[str]) -> int:
    """Look around and report; returns 1 if something is in the way."""
    parser = Parser(prog="textgrad-agents doctor", description="Say what this machine has for training. Asks nobody.")
    parser.add_argument("--experiments_dir", type=Path, default=Path("experiments"), metavar="DIR")
    parser.add_argument("--model", metavar="NAME", help="a model that is to be used: a known name or a JSON file")
    parser.add_argument("--base_url", metavar="URL", help="its server, if it is another than the model's own")
    parser.add_argument("--api_key_env", metavar="NAME", help="environment variable that holds its key")
    parser.add_argument(
        "--reach", action="store_true", help="see whether its server answers (one on this machine is always tried)"
    )
    parser.add_argument("--policy_path", type=Path, metavar="FILE", help="a policy file whose weights are to be used")
    flags = parser.parse_args(arguments)
    if flags.model is None and (flags.base_url or flags.api_key_env or flags.reach):
        raise ConfigError("--base_url, --api_key_env and --reach are about a model: name it with --model")
    findings = [*_versions(), *_keys(), *_sandboxes(), *_graphics(), _folder(flags.experiments_dir)]
    if flags.model is not None:
        findings += _provider(flags.model, flags.base_url, flags.api_key_env, reach=flags.reach)
    if flags.policy_path is not None:
        findings += _policies(flags.policy_path)
    table = make_table("", "what", "found", words=("found",))
    for one in findings:
        table.add_row(one.what, f"{'PROBLEM: ' if one.bad else ''}{one.found}")
    print_table(table)
    return int(any(one.bad for one in findings))


def _versions() -> Iterator[Finding]:
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in PACKAGES:
        try:
            yield Finding(package, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(package, "not installed")


def _keys() -> Iterator[Finding]:
    for variable in sorted({one.key_variable for one in PROVIDERS.values() if one.key_variable}):
        yield Finding(variable, "set" if os.environ.get(variable, "").strip() else "not set")


def _sandboxes() -> Iterator[Finding]:
    """What could run code that a model wrote."""
    found = [name for name in ("pydantic_monty", "sandlock") if importlib.util.find_spec(name)]
    bwrap = shutil.which("bwrap")
    if bwrap is not None and _output([bwrap, "--ro-bind", "/", "/", "--unshare-all", "true"]) is not None:
        found.append("bubblewrap")
    yield Finding("sandbox", ", ".join(found) or "none: code that a model wrote cannot be run")


def _graphics() -> Iterator[Finding]:
    command = shutil.which("nvidia-smi")
    listed = command and _output([command, "--query-gpu=name,memory.total", "--format=csv,noheader"])
    yield Finding("GPU", "; ".join(listed.splitlines()) if listed else "none")


def _folder(path: Path) -> Finding:
    """Whether runs can be written, and how safely."""
    there = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding("experiments", f"{path} cannot be written: {error.strerror or error}", bad=True)
    kind = file_system(there) or "unknown file system"
    journal = "rollback journal" if is_on_network(there) else "write-ahead log"
    return Finding("experiments", f"{path} on {kind}, {shutil.disk_usage(there).free / _GIGA:.1f} GB free; {journal}")


def _policies(path: Path) -> Iterator[Finding]:
    """Whether a policy file can be read, and whether the weights that it names are there."""
    try:
        file = read_policy_file(path)
    except FileFormatError as error:
        yield Finding("policies", str(error), bad=True)
        return
    yield Finding("policies", f"{path}: {len(file.policies)} versions, iteration_{file.current_iteration} is current")
    named = {
        policy.adapter.path: policy.adapter.base_model
        for version in file.policies.values()
        for policy in version.agent_policies.values()
        if policy.adapter is not None
    }
    missing = [name for name in named if not (path.parent / name / "adapter_model.safetensors").is_file()]
    bases = ", ".join(sorted(set(named.values())))
    if missing:
        yield Finding("weights", f"{len(missing)} of {len(named)} adapters are missing: {', '.join(missing)}", bad=True)
    else:
        yield Finding("weights", f"{len(named)} adapters of base_model {bases}, all there" if named else "none")


def _provider(name: str, base_url: str | None, variable: str | None, *, reach: bool) -> Iterator[Finding]:
    if name in ("auto", "rulebook"):
        yield Finding("model", "rulebook, built in: no key, no network")
        return
    config = get_llm_config(name, base_url=base_url, api_key_env_var=variable)
    if config.local_source is not None:
        yield from _local(config.local_source)
        return
    yield Finding("model", f"{config.model_string} at {config.url}")
    try:
        yield Finding("key", "there" if config.get_api_key() else "none, and none is needed")
    except (ConfigError, MissingKeyError) as error:
        yield Finding("key", str(error), bad=True)
    if reach or is_loopback(config.url):
        yield _reached(config.url)
    else:
        yield Finding("server", "not tried; --reach does")


def _local(source: str) -> Iterator[Finding]:
    """Whether a model can be loaded into this process, and where it would run."""
    try:
        from textgrad_agents.engines.local.loading import load_tokenizer, pick_device, pick_dtype
    except ImportError as error:
        yield Finding("model", f"{source} needs textgrad-agents[rl]: {error}", bad=True)
        return
    try:
        load_tokenizer(source)
        yield Finding("model", f"{source} in this process, with tokenizer and chat template: no key, no network")
    except ConfigError as error:
        yield Finding("model", str(error), bad=True)
    device = pick_device("auto")
    yield Finding("device", f"{device} in {str(pick_dtype('auto', device)).removeprefix('torch.')}")


def _reached(url: str) -> Finding:
    """Ask a server for its models, without a key: any answer of it will do."""
    handlers: list[urllib.request.BaseHandler] = [_Staying()]
    if is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(f"{url.rstrip('/')}/models", timeout=SECONDS) as answer:
            return Finding("server", f"answers ({answer.status})")
    except urllib.error.HTTPError as error:
        error.close()
        return Finding("server", f"answers ({error.code} without a key)")
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return Finding("server", f"does not answer: {reason}", bad=True)


class _Staying(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> None:
        """No other address is asked."""


def _output(command: list[str]) -> str | None:
    """What a command says, None if it fails or takes too long."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
