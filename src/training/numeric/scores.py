"""Log-probabilities of recorded tokens that algorithms ask for: of the policy, of its reference, of its teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from textgrad_agents.engines.local import LocalModel
from training.numeric.batch import micro_batches
from training.numeric.components import Arrays
from training.numeric.forward import Forward
from training.numeric.rows import Row
from training.numeric.settings import NumericConfig


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
        return self._logprobs(self.rows, self.adapter)

    def reference(self) -> Arrays:
        """Under the model without its adapter."""
        return self._logprobs(self.rows, None)

    def teacher(self) -> Arrays:
        """Under the policy as it is, told what the critic said."""
        return self._logprobs(
            [self._told(row, hint) for row, hint in zip(self.rows, self.hints, strict=True)], self.adapter
        )

    def _told(self, row: Row, hint: str) -> Row:
        """The row with the hint behind the text of its last Variable; without one there is no place to put it."""
        if not hint or not row.spans:
            return row
        words = np.array(self.model.tokenizer.encode("\n" + hint, add_special_tokens=False), np.int32)
        end = row.spans[-1].end
        return replace(row, prompt_ids=np.concatenate([row.prompt_ids[:end], words, row.prompt_ids[end:]]))

    def _logprobs(self, rows: Sequence[Row], adapter: str | None) -> Arrays:
        found: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = [np.zeros(0, np.float32)] * len(rows)
        with torch.no_grad(), self.model.use(adapter):
            forward = Forward(self.model.module)
            for batch in micro_batches(rows, range(len(rows)), self.config, forward):
                logprobs_BT = batch.logprobs(forward).float().cpu().numpy()
                for b, index in enumerate(batch.rows):
                    found[index] = logprobs_BT[b, : len(rows[index].action_ids)]
        return tuple(found)
