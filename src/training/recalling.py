"""RecallingLearner: a learner that learns from new episodes together with old ones.

Siblings stay together: a return says something only beside those of the episodes that began alike. How old an episode
may be is for the learner to say, which drops what is too old.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from textgrad_agents.errors import FileFormatError
from textgrad_agents.files import read_json, write_json
from textgrad_agents.interfaces import Learner, UpdateReport
from textgrad_agents.trajectory import Episode
from training.recall import RecallBuffer

Siblings = tuple[Episode, ...]

_FILE = "recall.json"


class RecallingLearner:
    """Adds groups of old siblings to what a learner learns from: half of them good ones, half bad ones.

    A group is good if its mean return is above that of the iteration it is from, as far as that was played.

    Args:
        learner: who learns.
        groups: old groups per update.
        read: reads an episode that was written down, by iteration and number.
        seed: root of which groups are recalled.
    """

    def __init__(
        self, learner: Learner[Episode], groups: int, read: Callable[[int, int], Episode], *, seed: int = 0
    ) -> None:
        self.name = learner.name
        self._learner = learner
        self._read = read
        self._returns: dict[int, list[float]] = {}
        self._buffer: RecallBuffer[Siblings] = RecallBuffer(
            positive_recall_batch_size=(groups + 1) // 2,
            negative_recall_batch_size=groups // 2,
            success=self._is_good,
            seed=seed,
        )

    async def update(self, episodes: Sequence[Episode]) -> UpdateReport:
        """Learn from `episodes` and from some that came before."""
        sound = [episode for episode in episodes if episode.error is None]
        self._note_returns(sound)
        groups = _siblings(sound)
        self._buffer.add(groups)
        recalled = self._buffer.batch()[len(groups) :]
        return await self._learner.update([*episodes, *(episode for group in recalled for episode in group)])

    def save(self, folder: Path) -> None:
        """Write what the learner remembers, and which episodes can be recalled."""
        self._learner.save(folder)
        groups, chance = self._buffer.state()
        old = [{"iteration": group[0].iteration, "episodes": [one.episode_id for one in group]} for group in groups]
        write_json(folder / _FILE, {"old": old, "chance": chance}, indent=None)

    def load(self, folder: Path) -> None:
        """Restore what `save` wrote.

        Raises:
            FileFormatError: the file, or an episode that it names, is missing or damaged.
        """
        self._learner.load(folder)
        path = folder / _FILE
        stored = cast("dict[str, Any]", read_json(path, what="recall state"))
        try:
            groups = [
                tuple(self._read(group["iteration"], number) for number in group["episodes"]) for group in stored["old"]
            ]
            self._returns = {}
            self._note_returns([one for group in groups for one in group])
            self._buffer.restore(groups, stored["chance"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"recall state {path} is damaged ({error!r}); restore it from a copy") from None

    def _note_returns(self, episodes: Sequence[Episode]) -> None:
        for episode in episodes:
            self._returns.setdefault(episode.iteration, []).append(episode.total_reward)

    def _is_good(self, group: Siblings) -> bool:
        returns = self._returns[group[0].iteration]
        return _mean(group) > sum(returns) / len(returns)


def _siblings(episodes: Sequence[Episode]) -> list[Siblings]:
    """Episodes that began alike, together, in the order in which they first came."""
    groups: dict[int, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(episode.seed, []).append(episode)
    return [tuple(group) for group in groups.values()]


def _mean(episodes: Sequence[Episode]) -> float:
    return sum(episode.total_reward for episode in episodes) / len(episodes)
