"""`optimize` and `aoptimize`: a program, examples and a metric in, better parameter values out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any, ParamSpec, TypeVar, get_args

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine
from textgrad_agents.optim.acceptance import SequentialTest
from textgrad_agents.optim.base import Optimizer
from textgrad_agents.optim.constraints import PlaceholdersKept
from textgrad_agents.optim.descent import TextualGradientDescent
from textgrad_agents.optim.rewrite import text_of
from textgrad_agents.optimize.evaluation import Evaluator
from textgrad_agents.optimize.gate import GateName
from textgrad_agents.optimize.loop import Loop, Settings
from textgrad_agents.optimize.metrics import Metric
from textgrad_agents.optimize.result import OptimizeResult, Round
from textgrad_agents.optimize.running import Program, Runner, find_parameters
from textgrad_agents.session import Session, count_calls, current_session
from textgrad_agents.variables.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")


async def aoptimize(
    program: Program,
    train: Iterable[Any],
    val: Iterable[Any],
    metric: Metric,
    *,
    parameters: Sequence[Variable[Any]] | None = None,
    optimizer: Optimizer | None = None,
    engine: Engine | None = None,
    budget: int = 500,
    gate: GateName = "sequential",
    alpha: float = 0.05,
    minibatch: int = 4,
    perfect: float = 1.0,
    concurrency: int | None = None,
    seed: int | None = None,
    progress: Callable[[Round], None] | None = None,
) -> OptimizeResult:
    """Find better values for the parameters of a program.

    The parameters hold the best values afterwards, also if an error or a cancellation ends the work.

    Args:
        program: called with one example; a function (sync or async), an op or an agent. If it returns a Variable of the
            graph, feedback flows back through the graph; otherwise every parameter gets it.
        train: examples to learn from.
        val: other examples, for the gate.
        metric: ``metric(output, example)`` gives a number (higher is better), a number with a text, or a `Feedback`.
        parameters: what may be changed; found by running the program on two examples if it is not said.
        optimizer: who proposes; textual gradient descent that keeps placeholders, on the parameters, if None.
        engine: engine of all calls that name none; those of the session if None.
        budget: most engine calls in all. A run that makes no call through a session counts as one.
        gate: "sequential" takes a proposal when the evidence on paired validation examples is strong enough, "mean"
            when its mean over all of them is higher, "none" always.
        alpha: probability that the sequential gate takes a proposal that is not better, at most.
        minibatch: training examples per round.
        perfect: outputs that score at least this give no feedback.
        concurrency: most runs of the program at once; the session's if None. 1 for a program that is not thread-safe.
        seed: decides the order of examples and the seeds of the optimizer's calls; the session's if None.
        progress: told of every round.

    Raises:
        ConfigError: a setting cannot be used, or the parameters cannot be found or hold no texts.
        EngineError: an engine cannot answer, or the program failed on all examples of a minibatch.
    """
    examples = {"train": list(train), "val": list(val)}
    session = current_session()
    concurrency = session.concurrency if concurrency is None else concurrency
    settings = Settings(gate, alpha, minibatch, perfect, seed=session.seed if seed is None else seed, progress=progress)
    _check(settings, budget=budget, concurrency=concurrency, train=len(examples["train"]), val=len(examples["val"]))
    if optimizer is not None and parameters is not None:
        raise ConfigError("give either parameters or an optimizer, which has its own")
    async with AsyncExitStack() as stack:
        if engine is not None:
            inner = Session(engine, critic=session.critic, concurrency=session.concurrency, seed=settings.seed)
            await stack.enter_async_context(inner)
        count = stack.enter_context(count_calls(budget))
        runner = Runner(concurrency)
        stack.callback(runner.close)
        if optimizer is None:
            found = await find_parameters(program, examples["train"], runner) if parameters is None else parameters
            kept = PlaceholdersKept(templates_only=True)
            optimizer = TextualGradientDescent(found, checks=[kept], seed=settings.seed)
        for one in optimizer.parameters:
            await text_of(one)
        evaluator = Evaluator(
            program, metric, examples, optimizer.parameters, runner=runner, concurrency=concurrency, count=count
        )
        return await Loop(evaluator, optimizer, examples, settings, count).run()


def _sync(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    @functools.wraps(function)
    def door(*args: P.args, **kwargs: P.kwargs) -> R:
        return current_session().portal.run(function(*args, **kwargs))

    door.__name__ = door.__qualname__ = function.__name__.removeprefix("a")
    return door


optimize = _sync(aoptimize)
"""The sync form of `aoptimize`."""


def _check(settings: Settings, *, budget: int, concurrency: int, train: int, val: int) -> None:
    if settings.gate not in get_args(GateName):
        raise ConfigError(f"gate must be one of {', '.join(get_args(GateName))}, got {settings.gate!r}")
    for name, number in (("budget", budget), ("minibatch", settings.minibatch), ("concurrency", concurrency)):
        if number < 1:
            raise ConfigError(f"{name} must be at least 1, got {number}")
    if not train:
        raise ConfigError("there are no training examples")
    if settings.gate == "mean" and not val:
        raise ConfigError("there are no validation examples; give some, or turn the gate off with gate='none'")
    if (
        settings.gate == "sequential"
        and SequentialTest(alpha=settings.alpha, max_pairs=max(val, 1)).decision == "reject"
    ):
        raise ConfigError(
            f"with {val} validation examples the sequential gate can accept nothing at alpha {settings.alpha:g}; "
            "give more, or choose gate='mean'"
        )
