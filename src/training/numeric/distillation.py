"""Distilling a prompt into weights: what a model does when told φ*, it is to do when told φ₀.

The teacher is the model under the optimized prompt; its sampled actions are the targets, put behind the student's
prompt and learned by cross-entropy (algorithm ``sft``). In expectation that is the gradient of KL(teacher ‖ student).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from textgrad_agents.engines.local import LocalModel
from textgrad_agents.errors import ConfigError
from textgrad_agents.seeds import text_hash
from training.numeric.rescore import rescore, with_prompt
from training.numeric.rows import Row


def distillation_rows(
    rows: Sequence[Row], model: LocalModel, *, teacher: Mapping[str, str], student: Mapping[str, str]
) -> tuple[Row, ...]:
    """Rows sampled under the teacher's texts, as examples for a student that is told others.

    The recorded log-probabilities stay: they are the teacher's.

    Raises:
        ConfigError: a row was sampled under other texts, or the two do not name the same Variables.
    """
    if teacher.keys() != student.keys():
        raise ConfigError(
            f"teacher and student must name the same Variables, got {sorted(teacher)} and {sorted(student)}"
        )
    versions = {variable: text_hash(text) for variable, text in teacher.items()}
    for row in rows:
        other = [span.variable for span in row.spans if versions.get(span.variable, span.version) != span.version]
        if other or not any(span.variable in versions for span in row.spans):
            raise ConfigError(
                f"a row of {row.agent or 'an agent'} was not sampled under the teacher's text of "
                f"{(other or sorted(versions))[0]!r}; collect episodes with the optimized prompt and give those"
            )
    return tuple(replace(row, advantage=1.0) for row in with_prompt(rows, model, student))


def distillation_gap(rows: Sequence[Row], model: LocalModel, *, adapter: str | None) -> float:
    """KL(teacher ‖ student) in nats per token at the rows of `distillation_rows`, with the student's `adapter` on."""
    scored = rescore(rows, model, adapter=adapter)
    gaps = [(row.sampler_logprobs - one)[row.mask] for row, one in zip(rows, scored, strict=True)]
    return float(np.concatenate(gaps).mean(dtype=np.float64)) if gaps else 0.0
