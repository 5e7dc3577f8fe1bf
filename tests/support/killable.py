"""Runs that are killed: a process that has imported everything and forks a child for each run.

Reads one request per line from stdin, a JSON object: `folder` (where the run lives), `settings` (of its config) and
either `kill_after` (seconds) or `kill_at` (number of the moment, counted before and after each write, at which the
child kills itself). With a `base_model` in its settings, a model of this machine acts and learns. Answers with a line:
`{"killed": bool, "code": int, "seconds": float, "writes": int}`.

The run's engine is one that costs money: every call is a line in `paid.log`, written before the answer is thought of.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401 (so that children find it imported)

from textgrad_agents import databases
from textgrad_agents.engines import RulebookEngine
from textgrad_agents.engines.base import estimate_usage
from textgrad_agents.engines.middleware.cache import request_key
from textgrad_agents.messages import Completion
from training import MonteCarloTrainer, TrainingConfig
from training.engines import Engines
from training.local_policy import LocalPolicy

WRONG = "When the lamp on my left is lit, press right. When the lamp on my right is lit, press left."
RIGHT = "When the lamp on my left is lit, press left. When the lamp on my right is lit, press right."


class Paid:
    """Acts as the built-in engine does, for money; proposes a wrong rule twice, then the right one."""

    name = "paid"

    def __init__(self, log: Path) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._actor = RulebookEngine()

    def cost(self, usage):
        return usage.input_tokens * 1e-6 + usage.output_tokens * 3e-6

    async def generate(self, messages, options):
        os.write(self._log, f"{options.role} {request_key({'engine': self.name}, messages, options).hex()}\n".encode())
        await asyncio.sleep(0.001 * (options.seed % 7) / 3)
        if options.role == "actor":
            return await self._actor.generate(messages, options)
        text = messages[-1].text
        if summary := re.search(r"<(MERGED_[0-9a-f]{8})>", text):
            reply = f"<{summary[1]}>In short, {options.seed}.</{summary[1]}>"
        elif options.role == "critic":
            agents = sorted(set(re.findall(r"keeper_\d", text)))
            reply = json.dumps({one: {"score": 0.1, "feedback": f"Thought {options.seed}."} for one in agents})
        else:
            tag = re.search(r"<(NEW_[0-9a-f]{8})>", text)[1]
            tried = text.count("not taken: ")
            reply = f"<{tag}>\n{RIGHT if tried == 2 else WRONG}\nThought {options.seed}.\n</{tag}>"
        return Completion(reply, usage=estimate_usage(messages, reply))


class Writes:
    """Counts the moments before and after each write, and ends the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.count = 0
        self._kill_at = kill_at

    def moment(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        replace, transaction = os.replace, databases.Database.transaction

        def watched_replace(*arguments, **options):
            self.moment()
            replace(*arguments, **options)
            self.moment()

        @contextmanager
        def watched_transaction(database):
            with transaction(database) as connection:
                yield connection
                self.moment()
            self.moment()

        os.replace = watched_replace
        databases.Database.transaction = watched_transaction


def config(folder: Path, settings: dict) -> TrainingConfig:
    return TrainingConfig(
        **{
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 6},
            "exp_name": "run",
            "experiments_dir": folder / "experiments",
            "policy_path": folder / "policy.json",
            "num_iterations": 3,
            "trajectories_per_iteration": 2,
            "gate_episodes": 6,
            "save_gif": False,
            **settings,
        }
    )


def run(request: dict, report: int) -> None:
    folder = Path(request["folder"])
    writes = Writes(request.get("kill_at"))
    writes.watch()
    os.fsync = lambda handle: None  # a process that is killed loses nothing that it has written
    chosen, paid = config(folder, request["settings"]), Paid(folder / "paid.log")
    engines = Engines.single(paid)
    if chosen.base_model is not None:
        local = LocalPolicy(chosen)
        engines = Engines(local.engine, paid, paid, local)
    with MonteCarloTrainer(chosen, engines=engines) as one:
        one.train_full()
    os.write(report, str(writes.count).encode())


def serve(request: dict) -> dict:
    if "base_model" in request["settings"]:
        importlib.import_module("training.numeric.learner")  # here, so that children find it imported
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            run(request, writing)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    if request.get("kill_after") is not None:
        time.sleep(request["kill_after"])
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - started
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return {"killed": killed, "code": status, "seconds": seconds, "writes": int(said or 0)}


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(f"{json.dumps(serve(json.loads(line)))}\n")
        sys.stdout.flush()
