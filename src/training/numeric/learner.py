"""LoraLearner: adapters learn from recorded episodes by policy gradient or imitation.

Episodes become rows; rows that are too old are dropped; returns become advantages, words become weights; an algorithm
fills the components of the surrogate; each adapter takes its steps. Everything that was left out is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from textgrad_agents.engines.local import LocalModel
from textgrad_agents.errors import ConfigError, LearnerError
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.trajectory import Episode
from textgrad_agents.validation import explain
from training.numeric import checkpoint
from training.numeric.algorithms import ALGORITHMS
from training.numeric.credit import credit_weights
from training.numeric.descent import Descent, Outcome
from training.numeric.groups import MovingBaselines, advantages
from training.numeric.reading import episode_id, rows_of
from training.numeric.rows import Row
from training.numeric.staleness import fresh
from training.numeric_config import NumericConfig

BROKEN_UPDATES = 3
"""Updates in a row without a finite loss and gradient, after which learning stops."""

_OF_ADAPTERS = {"rank", "alpha", "seed"}
"""Settings that say how an adapter is made."""

Report = Callable[[str, Mapping[str, Any]], None]


class LoraLearner:
    """Learns adapters of a local model (`interfaces.Learner`).

    Args:
        model: the model, with the adapters on it.
        adapters: adapter of each agent, or one that all agents share. Rows of other agents are left out.
        config: settings.
        roles: role of each agent; agents of one role are compared with each other.
        report: told of events (``update_skipped``) as they happen.

    Raises:
        ConfigError: the model has no such adapter.
    """

    name = "lora"

    def __init__(
        self,
        model: LocalModel,
        adapters: Mapping[str, str] | str,
        config: NumericConfig | None = None,
        *,
        roles: Mapping[str, str] | None = None,
        report: Report | None = None,
    ) -> None:
        self.config = config or NumericConfig()
        self._model = model
        self._adapters = adapters
        self._roles = roles
        self._report = report
        self._begin([adapters] if isinstance(adapters, str) else dict.fromkeys(adapters.values()))
        self._moving = MovingBaselines()
        self._prompts: dict[str, list[str]] = {}
        self._broken = 0
        self._updates = 0

    def configure(self, trainable_params: Iterable[str] | None = None, **settings: Any) -> None:
        """Learn with other settings, before the first update.

        Args:
            trainable_params: names of the adapters to train; the others stay as they are. None trains all.
            settings: fields of `NumericConfig`; what is not given stays.

        Raises:
            ConfigError: there is no such setting or adapter, a setting belongs to the adapter and not to its training,
                or an update was made.
        """
        if self._updates:
            raise ConfigError(
                f"the learner has made {self._updates} updates with its settings; make a new one to change them"
            )
        if fixed := sorted(_OF_ADAPTERS & settings.keys()):
            raise ConfigError(
                f"{', '.join(fixed)} of an adapter cannot change while it is trained; give it to add_adapter(…)"
            )
        names = list(self._descents) if trainable_params is None else list(trainable_params)
        unknown = [name for name in names if name not in self._descents]
        if unknown or not names:
            raise ConfigError(
                f"trainable_params names the adapters to train, of {', '.join(self._descents)}, not "
                f"{', '.join(map(repr, unknown)) or 'none'}; weights of the base model are never trained"
            )
        try:
            self.config = NumericConfig(**{**self.config.model_dump(), **settings})
        except ValidationError as error:
            raise ConfigError(f"settings of the learner: {explain(error, fields=NumericConfig.model_fields)}") from None
        self._begin(names)

    def _begin(self, adapters: Iterable[str]) -> None:
        self._algorithm = ALGORITHMS[self.config.algorithm]
        self._descents = {name: Descent(self._model, name, self._algorithm, self.config) for name in adapters}

    async def update(self, episodes: Sequence[Episode]) -> UpdateReport:
        """Learn from recorded episodes of any age.

        Raises:
            ConfigError: the record cannot be trained on: a missing log-probability, mixed base models.
            LearnerError: for the third time in a row a loss or gradient was not finite.
        """
        rows, metrics, notes = self._rows(episodes)
        known = {episode_id(episode): episode for episode in episodes}
        hints = [_hint(row, known[row.episode]) for row in rows]
        outcomes: dict[str, Outcome] = {}
        for adapter, descent in self._descents.items():
            own = [index for index, row in enumerate(rows) if self._adapter(row.agent) == adapter]
            if own:
                outcome = descent.run([rows[index] for index in own], [hints[index] for index in own])
                outcomes[adapter] = outcome
                notes.append(_told(adapter, outcome, len(own)))
        if not outcomes:
            notes.append("there was no row to learn weights from")
        self._updates += 1
        changed = [adapter for adapter, outcome in outcomes.items() if outcome.steps]
        for adapter in changed:
            self._model.updated(adapter)
        self._settle(outcomes)
        metrics |= _summary(outcomes)
        return UpdateReport(self.name, changed=bool(changed), metrics=metrics, notes=tuple(notes))

    def save(self, folder: Path) -> None:
        """Write adapters, optimizer, baselines, random states and the cursor into one folder below `folder`."""
        checkpoint.save(folder, self._model, self._descents, self._state())

    def load(self, folder: Path) -> None:
        """Go on from what `save` wrote, to the same bits.

        Raises:
            FileFormatError: it is missing, damaged, or of other adapters; nothing was changed.
        """
        state = checkpoint.load(folder, self._model, self._descents)
        self._moving.restore(state["baselines"])
        self._prompts = {agent: list(versions) for agent, versions in state["prompts"].items()}
        self._broken, self._updates = state["broken"], state["updates"]

    def _state(self) -> dict[str, Any]:
        return {
            "updates": self._updates,
            "broken": self._broken,
            "baselines": self._moving.state(),
            "prompts": self._prompts,
        }

    def _adapter(self, agent: str) -> str | None:
        """The adapter that is trained for an agent; None if none is."""
        name = self._adapters if isinstance(self._adapters, str) else self._adapters.get(agent)
        return name if name in self._descents else None

    def _rows(self, episodes: Sequence[Episode]) -> tuple[list[Row], dict[str, float], list[str]]:
        """What is trained on, with advantages and credit; and what is to be said about it."""
        config = self.config
        read = rows_of(
            episodes,
            discount=config.discount,
            returns=config.returns,
            roles=self._roles,
            ratios=self._algorithm.ratios,
        )
        mine = [row for row in read if self._adapter(row.agent) is not None]
        self._check_base(mine)
        self._remember_prompts(mine, episodes)
        recent = fresh(
            mine,
            adapter_versions={row.agent: self._version(row.agent) for row in mine},
            prompt_versions=self._prompts,
            max_staleness=config.max_staleness,
        )
        judged = advantages(recent.rows, config.baseline or self._algorithm.baseline, moving=self._moving)
        rows = judged.rows
        if config.credit is not None:
            rows = credit_weights(rows, episodes, config.credit)
        metrics = {
            "rows": float(len(rows)),
            "tokens": float(sum(int(row.mask.sum()) for row in rows)),
            "left_out": float(sum(read.counts.values())),
            "stale": float(recent.dropped),
            "groups": float(judged.groups),
            "dead_groups": float(judged.dead),
        }
        notes = list(read.notes())
        if len(mine) < len(read):
            notes.append(f"{len(read) - len(mine)} of {len(read)} rows are of agents that no adapter is trained for")
        if recent.dropped:
            notes.append(
                f"{recent.dropped} of {len(mine)} rows were dropped as older than {config.max_staleness} versions "
                f"({recent.old_weights} by weights, {recent.old_prompts} by prompt, {recent.unknown} of unknown ones)"
            )
        return list(rows), metrics, notes

    def _version(self, agent: str) -> int:
        name = self._adapter(agent)
        return 0 if name is None else self._model.adapter(name).version

    def _check_base(self, rows: Sequence[Row]) -> None:
        """Raise ConfigError for rows that another base model sampled."""
        other = next((row for row in rows if row.base and row.base != self._model.base_hash), None)
        if other is not None:
            raise ConfigError(
                f"the episodes were sampled from a base model with the hash {other.base[:16]} (agent {other.agent}), "
                f"and {self._model.name} has {self._model.base_hash[:16]}; train the model that played"
            )

    def _remember_prompts(self, rows: Sequence[Row], episodes: Sequence[Episode]) -> None:
        """Each agent's prompt versions in the order in which they first played."""
        order = {episode_id(one): (one.iteration, one.episode_id) for one in episodes}
        for row in sorted(rows, key=lambda row: order[row.episode]):
            versions = self._prompts.setdefault(row.agent, [])
            if row.prompt_version not in versions:
                versions.append(row.prompt_version)

    def _settle(self, outcomes: Mapping[str, Outcome]) -> None:
        """Report steps that could not be taken; stop after the third update in a row that has one."""
        for adapter, outcome in outcomes.items():
            if outcome.broken and self._report is not None:
                facts = {"adapter": adapter, "update": self._updates, "in_a_row": self._broken + 1}
                self._report("update_skipped", facts | {key: repr(v) for key, v in outcome.metrics.items()})
        if any(outcome.broken for outcome in outcomes.values()):
            self._broken += 1
        elif any(outcome.steps for outcome in outcomes.values()):
            self._broken = 0
        if self._broken >= BROKEN_UPDATES:
            raise LearnerError(
                f"{self._broken} updates in a row had a loss or gradient that is not finite (last: "
                f"{', '.join(f'{adapter} {outcome.metrics}' for adapter, outcome in outcomes.items())}); lower lr "
                f"(it is {self.config.lr}) and go on from an earlier checkpoint"
            )


def _told(adapter: str, outcome: Outcome, rows: int) -> str:
    """What became of an adapter, in one sentence."""
    if outcome.broken:
        return f"{adapter}: a step was not taken because its loss or gradient is not a finite number"
    if outcome.stopped:
        return f"{adapter}: the batch was left after {outcome.steps} steps: it had moved the policy enough"
    if not outcome.steps:
        return f"{adapter}: no row has a gradient (all returns are equal), so nothing was learned"
    count = "1 step" if outcome.steps == 1 else f"{outcome.steps} steps"
    norm = outcome.metrics["grad_norm"]
    return f"{adapter}: {count} on {rows - outcome.skipped} of {rows} rows, gradient norm {norm:.2g}"


def _summary(outcomes: Mapping[str, Outcome]) -> dict[str, float]:
    """Counts summed over adapters; the rest under its own name with one adapter, else behind the adapter's."""
    found: dict[str, float] = {
        "steps": float(sum(outcome.steps for outcome in outcomes.values())),
        "skipped_rows": float(sum(outcome.skipped for outcome in outcomes.values())),
        "broken_steps": float(sum(outcome.broken for outcome in outcomes.values())),
    }
    for adapter, outcome in outcomes.items():
        prefix = "" if len(outcomes) == 1 else f"{adapter}/"
        found |= {f"{prefix}{key}": value for key, value in outcome.metrics.items()}
    return found


def _hint(row: Row, episode: Episode) -> str:
    """What critics said of the row's decision, or else of its agent, in this episode."""
    own = [one for one in episode.credits if one.agent == row.agent and one.text]
    exact = [one.text for one in own if one.step == row.timestep]
    return "\n".join(exact or [one.text for one in own if one.step is None])
