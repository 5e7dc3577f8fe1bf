"""The 2 x 2 table: what new prompts and new weights are worth, each alone and both together, on the same fresh tasks.

The table is that of Fast-Slow Training (arXiv 2605.12484): old or new prompt by old or new weights.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table

from textgrad_agents.errors import EnvError
from textgrad_agents.trajectory import Episode
from training.tables import make_table

Age = Literal["old", "new"]
AGES: tuple[Age, ...] = ("old", "new")
Play = Callable[[Age, Age], Awaitable[Sequence[Episode]]]
"""(prompt, weights) -> episodes that were played with them; the same seeds for all four."""

_Z = 1.959964  # two-sided 95 %


@dataclass(frozen=True, slots=True)
class Cell:
    """What one combination scored.

    Attributes:
        prompt: which prompt.
        weights: which weights.
        scores: total reward of each episode.
        tasks: tasks per episode, if a score is a share of tasks that were solved; None if it is not.
    """

    prompt: Age
    weights: Age
    scores: tuple[float, ...]
    tasks: int | None = None

    @property
    def mean(self) -> float:
        """Mean score per episode."""
        return sum(self.scores) / len(self.scores)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the mean: `wilson` of solved tasks, else the normal one of the scores."""
        if self.tasks is not None:
            return wilson(round(sum(self.scores) * self.tasks), self.tasks * len(self.scores))
        n = len(self.scores)
        if n < 2:
            return -math.inf, math.inf
        deviation = math.sqrt(sum((score - self.mean) ** 2 for score in self.scores) / (n - 1))
        reach = _Z * deviation / math.sqrt(n)
        return self.mean - reach, self.mean + reach

    def to_dict(self) -> dict[str, Any]:
        """The cell as JSON-like values."""
        low, high = self.interval
        return {
            "prompt": self.prompt,
            "weights": self.weights,
            "mean": self.mean,
            "low": low if math.isfinite(low) else None,
            "high": high if math.isfinite(high) else None,
            "episodes": len(self.scores),
            "tasks": None if self.tasks is None else self.tasks * len(self.scores),
        }


async def two_by_two(play: Play, *, tasks: int | None = None, changed: Mapping[str, bool] | None = None) -> list[Cell]:
    """Score all four combinations, one after the other.

    Args:
        play: plays the test episodes with a combination.
        tasks: tasks per episode, if an episode's total reward is the share of them that was solved.
        changed: ``{"prompt": False}`` says that the new prompt is the old one, so that it is not played again.

    Raises:
        EnvError: every episode of a combination failed.
    """
    same = {axis for axis, different in (changed or {}).items() if not different}
    cells: dict[tuple[Age, Age], Cell] = {}
    for prompt in AGES:
        for weights in AGES:
            twin = cells.get(("old" if "prompt" in same else prompt, "old" if "weights" in same else weights))
            scores = twin.scores if twin else _scores(await play(prompt, weights))
            cells[prompt, weights] = Cell(prompt, weights, scores, tasks)
    return list(cells.values())


def wilson(solved: int, tried: int) -> tuple[float, float]:
    """95 % score interval of a share (Wilson, JASA 22, 1927)."""
    share, square = solved / tried, _Z**2
    middle = (share + square / (2 * tried)) / (1 + square / tried)
    reach = _Z / (1 + square / tried) * math.sqrt(share * (1 - share) / tried + square / (4 * tried**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def as_table(cells: Sequence[Cell], title: str) -> Table:
    """Rows are prompts, columns are weights; each number with its 95 % interval."""
    table = make_table(title, "", "old weights", "new weights")
    by_place = {(cell.prompt, cell.weights): cell for cell in cells}
    for prompt in AGES:
        table.add_row(f"{prompt} prompt", *(_written(by_place[prompt, weights]) for weights in AGES))
    return table


def _written(cell: Cell) -> str:
    low, high = cell.interval
    return f"{cell.mean:.3f} ({low:.3f} to {high:.3f})"


def _scores(episodes: Sequence[Episode]) -> tuple[float, ...]:
    sound = tuple(episode.total_reward for episode in episodes if episode.error is None)
    if not sound:
        said = episodes[0].error if episodes else "there are none"
        raise EnvError(f"the environment failed in all {len(episodes)} test episodes: {said}")
    return sound
