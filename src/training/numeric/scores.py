"""Log-probabilities of recorded tokens that algorithms ask for: of the policy, of its reference, of its teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from textgrad_agents.engines.local import LocalModel
from training.numeric.components import Arrays
from training.numeric.rescore import rescore
from training.numeric.rows import Row
from training.numeric_config import NumericConfig


@dataclass(frozen=True, slots=True)
class ModelScores:
    """Scores of a model's rows (`components.Scores`), without gradient.

    Attributes:
        model: the model.
        adapter: name of the adapter that is trained.
        rows: the rows.
        hints: what the critic said of each row, "" for nothing.
        config: how rows are laid out.
    """

    model: LocalModel
    adapter: str
    rows: Sequence[Row]
    hints: Sequence[str]
    config: NumericConfig

    def current(self) -> Arrays:
        """Under the policy as it is."""
        return tuple(rescore(self.rows, self.model, adapter=self.adapter, config=self.config))

    def reference(self) -> Arrays:
        """Under the model without its adapter."""
        return tuple(rescore(self.rows, self.model, adapter=None, config=self.config))

    def teacher(self) -> Arrays:
        """Under the policy as it is, told what the critic said."""
        told = [self._told(row, hint) for row, hint in zip(self.rows, self.hints, strict=True)]
        return tuple(rescore(told, self.model, adapter=self.adapter, config=self.config))

    def told(self) -> tuple[bool, ...]:
        """True for the rows whose prompt has a place for what the critic said of them."""
        return tuple(bool(hint and row.spans) for row, hint in zip(self.rows, self.hints, strict=True))

    def _told(self, row: Row, hint: str) -> Row:
        """The row with the hint behind the text of its last Variable; without one there is no place to put it."""
        if not hint or not row.spans:
            return row
        words = np.array(self.model.template.encode("\n" + hint), np.int32)
        end = row.spans[-1].end
        return replace(row, prompt_ids=np.concatenate([row.prompt_ids[:end], words, row.prompt_ids[end:]]))
