"""`LocalTrainingServer`: trainable models by name, in this process.

A trainable model is a learner and the engine that samples with what the learner has learned so far. The server knows
nothing of how either works: after `update` the next call of the engine is answered by the new weights.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import Engine, Learner, UpdateReport
from textgrad_agents.session import current_session

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, slots=True)
class TrainableModel:
    """A learner, and the engine that samples with its weights (None if only the learner is wanted)."""

    learner: Learner[Any]
    engine: Engine | None = None


class LocalTrainingServer:
    """Owns trainable models. Updates of one model are made one after the other, whichever thread asks for them."""

    def __init__(self) -> None:
        self._models: dict[str, TrainableModel] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._closed = False

    def register(self, models: Iterable[tuple[str, TrainableModel | Learner[Any]]]) -> None:
        """Make models known under names.

        Raises:
            ConfigError: a name is taken, or the server is closed.
        """
        self._require_open()
        for name, model in models:
            if name in self._models:
                raise ConfigError(f"the name {name!r} is taken by another model of this server; choose another")
            self._models[name] = model if isinstance(model, TrainableModel) else TrainableModel(model)
            self._locks[name] = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models, in the order in which they came."""
        return tuple(self._models)

    def learner(self, name: str) -> Learner[Any]:
        """The learner of a model.

        Raises:
            ConfigError: there is no such model, or the server is closed.
        """
        return self._find(name).learner

    def engine(self, name: str) -> Engine:
        """The engine of a model.

        Raises:
            ConfigError: there is no such model, it has none, or the server is closed.
        """
        engine = self._find(name).engine
        if engine is None:
            raise ConfigError(
                f"the model {name!r} was registered without an engine; register TrainableModel(…, engine)"
            )
        return engine

    def update(self, name: str, episodes: Sequence[Any]) -> UpdateReport:
        """Let a model learn from recorded episodes. Inside a running loop await `learner(name).update(…)` instead.

        Raises:
            ConfigError: there is no such model, or the server is closed.
        """
        with self._at_work(name) as learner:
            return current_session().portal.run(learner.update(episodes))

    def save(self, name: str, folder: Path) -> None:
        """Write a checkpoint of a model: all that `load` needs to go on exactly from here."""
        with self._at_work(name) as learner:
            learner.save(folder)

    def load(self, name: str, folder: Path) -> None:
        """Go on from a checkpoint."""
        with self._at_work(name) as learner:
            learner.load(folder)

    def close(self) -> None:
        """Let go of all models, once what is under way is finished."""
        self._closed = True
        for lock in self._locks.values():
            lock.acquire()
        self._models.clear()
        self._locks.clear()

    @contextmanager
    def _at_work(self, name: str) -> Generator[Learner[Any]]:
        learner = self.learner(name)
        with self._locks[name]:
            yield learner

    def _find(self, name: str) -> TrainableModel:
        self._require_open()
        if name not in self._models:
            raise ConfigError(f"no model is called {name!r}; registered are {', '.join(self._models) or 'none'}")
        return self._models[name]

    def _require_open(self) -> None:
        if self._closed:
            raise ConfigError("this server is closed; make a new one")
