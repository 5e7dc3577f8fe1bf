"""The policies of a run by iteration: version 0 is what it began with, version i + 1 is what iteration i led to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.policy import AdapterReference, Lineage, team_hash
from training.iteration_rows import Row, best_version
from training.policy_manager import PolicyManager
from training.runs import RunFolder
from training.tables import amount


@dataclass(frozen=True, slots=True)
class Versions:
    """Where a run's policies are in its policy file, in which versions of earlier runs may stand before them.

    Attributes:
        manager: of the file.
        run: the run.
        model: name of the model that writes policies; None where nobody does.
    """

    manager: PolicyManager
    run: RunFolder
    model: str | None

    def begin(self, iteration: int) -> dict[str, str]:
        """The policies that an iteration begins with: its own version, else the one before, else the current one."""
        for number in (self.number(iteration), self.number(iteration - 1)):
            if number in self.manager.file.iterations:
                self._make_current(number)
                break
        return self.manager.get_current_policies()

    def is_saved(self, iteration: int) -> bool:
        """True if the version that an iteration led to is in the file."""
        return self.number(iteration + 1) in self.manager.file.iterations

    def save(
        self,
        before: Mapping[str, str],
        after: Mapping[str, str],
        row: Row,
        reports: Sequence[UpdateReport],
        *,
        weights: AdapterReference | None = None,
    ) -> None:
        """Add the version that an iteration led to.

        Args:
            before: the policies that acted.
            after: those that were learned.
            row: the numbers of the iteration.
            reports: what the learners said of it.
            weights: the adapter that all agents act with.
        """
        scores = [report.metrics["score"] for report in reports if "score" in report.metrics]
        lineage = Lineage(
            parent=team_hash(before),
            model=self.model,
            accepted=row["accepted"],
            score=scores[-1] if scores else None,
        )
        time = self.run.time_of(f"iteration {row['iteration']}")
        adapters = None if weights is None else dict.fromkeys(after, weights)
        self.manager.save_updated_policies(after, row, timestamp=time, lineage=lineage, adapters=adapters)

    def keep_best(self, rows: Sequence[Row], *, restore: bool, note: Callable[[str], None]) -> None:
        """Write the best version to a file of its own.

        Args:
            rows: the numbers of the finished iterations.
            restore: make it the current one.
            note: told if another version becomes current.
        """
        best = best_version(rows)
        if best is None:
            return
        number = self.number(best.updates)
        said = f"mean return {amount(best.mean_return)}, the best of {len(rows)} iterations of {self.run.name}"
        self.manager.publish(self.run.best_policy, number, said)
        if restore and self._make_current(number):
            note(f"the policies of iteration_{number} are current again: {said}")

    def number(self, version: int) -> int:
        """Number in the file of a version of the run."""
        return self.manager.first_iteration + version

    def _make_current(self, number: int) -> bool:
        """Make a version current; returns whether another one was."""
        if number == self.manager.current_iteration:
            return False
        self.manager.reset_to_iteration(number)
        return True
