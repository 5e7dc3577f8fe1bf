"""`RLTrainer`: one numeric update at a time from a recall buffer, with callbacks counted in updates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.servers import LocalTrainingServer
from training.recall import RecallBuffer

Metric = Callable[[Sequence[Any]], float]


class StepCallback(Protocol):
    """Told of every update."""

    def after_step(self, trainer: RLTrainer, report: UpdateReport) -> None:
        """Called when update number `trainer.steps` is done."""
        ...


@runtime_checkable
class Configurable(Protocol):
    """A learner whose settings may be given after it was made."""

    def configure(self, trainable_params: Iterable[str] | None = None, **settings: Any) -> None:
        """Learn these parameters, with these settings.

        Raises:
            ConfigError: there is no such parameter or setting.
        """
        ...


class RLTrainer:
    """Trains a model of a server.

    Args:
        model: name of the model.
        server: who holds it.
        recall_buffer: attempts to learn from.
        callbacks: told of every update, in order.
        trainable_params: names of the parameters to train; for a `LoraLearner` these are adapters. None trains what
            the learner was made for.
        hyperparameters: settings of the learner; for a `LoraLearner` the fields of `NumericConfig`, such as ``lr``.

    Attributes:
        steps: updates so far.
        reports: what each of them did.

    Raises:
        ConfigError: the server has no such model, or its learner takes no such parameter or setting.
    """

    def __init__(
        self,
        model: str,
        server: LocalTrainingServer,
        recall_buffer: RecallBuffer[Any],
        callbacks: Iterable[StepCallback] = (),
        trainable_params: Iterable[str] | None = None,
        **hyperparameters: Any,
    ) -> None:
        learner = server.learner(model)
        if trainable_params is not None or hyperparameters:
            if not isinstance(learner, Configurable):
                raise ConfigError(
                    f"the learner {learner.name!r} of {model!r} takes no trainable_params and no hyperparameters; "
                    "give them where it is made"
                )
            learner.configure(trainable_params, **hyperparameters)
        self.model = model
        self.server = server
        self.recall_buffer = recall_buffer
        self.callbacks = tuple(callbacks)
        self.steps = 0
        self.reports: list[UpdateReport] = []

    def step(self) -> UpdateReport:
        """One update from the new attempts and those recalled with them.

        Raises:
            ConfigError: there is nothing to learn from.
        """
        batch = self.recall_buffer.batch()
        if not batch:
            raise ConfigError("the recall buffer is empty; add(…) attempts before step()")
        report = self.server.update(self.model, batch)
        self.steps += 1
        self.reports.append(report)
        for callback in self.callbacks:
            callback.after_step(self, report)
        return report


class _Every:
    """Something done after every so many updates."""

    def __init__(self, frequency: int) -> None:
        if type(frequency) is not int or frequency < 1:
            raise ConfigError(f"frequency is counted in updates and at least 1, not {frequency!r}")
        self.frequency = frequency

    def is_due(self, steps: int) -> bool:
        """Whether it is time after this many updates."""
        return steps % self.frequency == 0


class ModelCheckpointer(_Every):
    """Writes a checkpoint into ``outdir/step_<n>`` after every `frequency` updates."""

    def __init__(self, outdir: str | Path, frequency: int) -> None:
        super().__init__(frequency)
        self.outdir = Path(outdir)

    def after_step(self, trainer: RLTrainer, report: UpdateReport) -> None:
        """See `StepCallback`."""
        if self.is_due(trainer.steps):
            trainer.server.save(trainer.model, self.outdir / f"step_{trainer.steps}")


class EvalCallback(_Every):
    """Measures after every `frequency` updates.

    Args:
        dataset: what is measured on.
        metrics: name -> a function of the dataset's tasks that gives a number (it asks the model itself).
        frequency: in updates.

    Attributes:
        history: a row per measurement: ``{"step": n, name: number, …}``.
    """

    def __init__(self, dataset: Iterable[Any], metrics: Mapping[str, Metric], frequency: int) -> None:
        super().__init__(frequency)
        self.tasks = tuple(dataset)
        self.metrics = dict(metrics)
        self.history: list[dict[str, float]] = []
        if not self.tasks or not self.metrics:
            raise ConfigError("an evaluation needs at least one task and one metric")

    def after_step(self, trainer: RLTrainer, report: UpdateReport) -> None:
        """See `StepCallback`."""
        if self.is_due(trainer.steps):
            measured = {name: float(metric(self.tasks)) for name, metric in self.metrics.items()}
            self.history.append({"step": trainer.steps, **measured})
