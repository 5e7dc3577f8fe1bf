"""LoraLearner: learning, what it leaves out and says so, and checkpoints to the bit."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from local_models import tiny_model
from token_episodes import episode, step, trace

from textgrad_agents.engines.local import LocalModel
from textgrad_agents.errors import ConfigError, FileFormatError, LearnerError
from textgrad_agents.interfaces import UpdateReport
from textgrad_agents.messages import PromptSpan
from textgrad_agents.seeds import text_hash
from textgrad_agents.trajectory import Credit, Episode
from training.numeric.algorithms import ALGORITHMS
from training.numeric.learner import LoraLearner
from training.numeric.reading import rows_of
from training.numeric.rescore import rescore
from training.numeric_config import NumericConfig

PROMPT = (5, 9, 40, 7, 12)
GOOD, BAD = (33, 8, 21), (50, 51)


def model_with(*names: str) -> LocalModel:
    model = tiny_model()
    for seed, name in enumerate(names):
        model.add_adapter(name, rank=4, seed=seed)
    return model


def recorded(
    model: LocalModel, agents: tuple[str, ...] = ("a",), first: int = 0, iteration: int = 0, **more: Any
) -> list[Episode]:
    """Four sibling episodes: each agent said GOOD twice (return 1) and BAD twice (return 0); recorded on policy."""

    def said(action: tuple[int, ...], version: int = 0) -> Any:
        with torch.no_grad():
            logprobs = model.token_logprobs(PROMPT, action, adapter=None).numpy()
        return trace(PROMPT, action, logprobs=logprobs, base=model.base_hash, adapter_version=version)

    version = int(more.pop("version", 0))
    return [
        replace(
            episode(
                *([step(agent, 0, float(one), trace=said(GOOD if one else BAD, version), **more)] for agent in agents),
                episode_id=first + number,
            ),
            iteration=iteration,
        )
        for number, one in enumerate([1, 0, 1, 0])
    ]


def weights(model: LocalModel, name: str) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for _, parameter in model.trainable(name)])


def logprob(model: LocalModel, name: str, action: tuple[int, ...]) -> float:
    with torch.no_grad():
        return float(model.token_logprobs(PROMPT, action, adapter=name).sum())


def learn(learner: LoraLearner, episodes: list[Episode]) -> UpdateReport:
    return asyncio.run(learner.update(episodes))


@pytest.mark.parametrize("name", sorted(set(ALGORITHMS) - {"self_distillation"}))
def test_every_algorithm_makes_what_was_rewarded_likelier(name: Any) -> None:
    model = model_with("one")
    config = NumericConfig(algorithm=name, lr=1e-2, kl_stop=100, kl=0.01, max_tokens=4)
    learner = LoraLearner(model, "one", config)
    before = logprob(model, "one", GOOD), logprob(model, "one", BAD)
    report = learn(learner, recorded(model))
    after = logprob(model, "one", GOOD), logprob(model, "one", BAD)
    assert report.changed
    assert report.metrics["steps"] == 2
    assert after[0] > before[0]
    assert after[0] - before[0] > (0 if name == "sft" else after[1] - before[1])
    assert model.adapter("one").version == 1
    assert report.metrics["ratio"] == pytest.approx(1, abs=1e-4)
    assert report.metrics["ess"] == pytest.approx(1, abs=1e-4)


def test_a_bfloat16_model_trains_a_float32_adapter() -> None:
    model = tiny_model(dtype=torch.bfloat16)
    model.add_adapter("one")
    report = learn(LoraLearner(model, "one", NumericConfig(lr=1e-2, max_tokens=4, kl_stop=10)), recorded(model))
    assert report.metrics["steps"] == 2
    assert {parameter.dtype for _, parameter in model.trainable("one")} == {torch.float32}
    assert report.metrics["ratio"] == pytest.approx(1, abs=0.05)


def test_the_policy_moves_towards_what_it_does_when_told(tmp_path: Path) -> None:
    model = model_with("one")
    spans = (PromptSpan(1, 3, "policy", text_hash("x")),)
    episodes = [replace(one, credits=(Credit("a", "push at once", 0.5, 0),)) for one in recorded(model)]
    spanned = [_with_spans(one, spans) for one in episodes]
    config = NumericConfig(algorithm="self_distillation", lr=5e-3, kl_stop=100, updates_per_batch=4)

    def gap() -> float:
        (row,) = {row.action_ids.tobytes(): row for row in rows_of(spanned[:1])}.values()
        hint = np.array(model.template.encode("\npush at once"), np.int32)
        told = replace(row, prompt_ids=np.concatenate([row.prompt_ids[:3], hint, row.prompt_ids[3:]]))
        teacher, now = rescore([told], model, adapter=None)[0], rescore([row], model, adapter="one")[0]
        return float(np.abs(teacher - now).sum())

    before = gap()
    report = learn(LoraLearner(model, "one", config), spanned)
    assert report.metrics["steps"] == 4
    assert gap() < before
    assert not learn(LoraLearner(model, "one", config), episodes).changed  # nowhere to put the words


def _with_spans(one: Episode, spans: tuple[PromptSpan, ...]) -> Episode:
    (run,) = one.trajectories
    (decision,) = run.steps
    assert decision.trace is not None
    return replace(
        one, trajectories=(replace(run, steps=(replace(decision, trace=replace(decision.trace, spans=spans)),)),)
    )


def test_an_adapter_per_agent_learns_from_its_own_rows_alone() -> None:
    both, alone = model_with("one", "two"), model_with("one", "two")
    config = NumericConfig(lr=1e-2, max_tokens=4)
    report = learn(LoraLearner(both, {"a": "one", "b": "two"}, config), recorded(both, ("a", "b", "c")))
    learn(LoraLearner(alone, {"a": "one"}, config), recorded(alone, ("a", "b")))
    assert torch.equal(weights(both, "one"), weights(alone, "one"))
    assert not torch.equal(weights(both, "two"), weights(alone, "two"))
    assert "one/loss" in report.metrics
    assert any("4 of 12 rows are of agents that no adapter is trained for" in note for note in report.notes)


def test_all_equal_returns_teach_nothing_and_are_said_to() -> None:
    model = model_with("one")
    before = weights(model, "one")
    report = learn(LoraLearner(model, "one"), recorded(model)[::2])
    assert not report.changed
    assert report.metrics["skipped_rows"] == 2
    assert report.metrics["dead_groups"] == 1
    assert "one: no row has a gradient (all returns are equal), so nothing was learned" in report.notes
    assert torch.equal(weights(model, "one"), before)
    assert model.adapter("one").version == 0


def test_a_batch_is_left_once_the_policy_has_moved_enough() -> None:
    model = model_with("one")
    config = NumericConfig(lr=0.05, updates_per_batch=8, max_tokens=4)
    report = learn(LoraLearner(model, "one", config), recorded(model))
    assert 1 <= report.metrics["steps"] < 8
    assert report.metrics["kl"] > config.kl_stop
    assert any("it had moved the policy enough" in note for note in report.notes)


def test_losses_that_are_no_numbers_change_nothing_and_stop_learning_at_the_third() -> None:
    model = model_with("one")
    events: list[tuple[str, Any]] = []
    learner = LoraLearner(model, "one", report=lambda kind, facts: events.append((kind, facts)))
    with torch.no_grad():
        model.module.get_base_model().lm_head.weight[0, 0] = torch.nan
    before, episodes = weights(model, "one"), recorded(model_with("one"))
    episodes = [_with_base(one, "") for one in episodes]
    for _ in range(2):
        report = learn(learner, episodes)
        assert not report.changed
        assert report.metrics["broken_steps"] == 1
    with pytest.raises(LearnerError, match="3 updates in a row had a loss or gradient that is not finite"):
        learn(learner, episodes)
    assert torch.equal(weights(model, "one"), before)
    assert [kind for kind, _ in events] == ["update_skipped"] * 3


def _with_base(one: Episode, base: str) -> Episode:
    runs = [
        replace(run, steps=tuple(replace(s, trace=replace(s.trace, base=base)) for s in run.steps if s.trace))
        for run in one.trajectories
    ]
    return replace(one, trajectories=tuple(runs))


def test_rows_too_old_by_weights_or_prompts_are_dropped_and_counted() -> None:
    model = model_with("one")
    model.updated("one", 6)
    learner = LoraLearner(model, "one", NumericConfig(max_staleness=1, max_tokens=4))
    old = recorded(model, version=4)
    recent = recorded(model, first=4, version=5)
    report = learn(learner, old + recent)
    assert report.metrics["stale"] == 4
    assert report.metrics["rows"] == 4
    assert (
        "4 of 8 rows were dropped as older than 1 versions (4 by weights, 0 by prompt, 0 of unknown ones)"
        in report.notes
    )
    later = [
        one
        for number in range(3)
        for one in recorded(model, iteration=number + 1, version=7, policy_version=f"prompt {number}")
    ]
    assert learn(learner, later).metrics["stale"] == 4  # the oldest of three prompts


def test_episodes_of_another_base_model_are_refused() -> None:
    model = model_with("one")
    episodes = [_with_base(one, "f" * 64) for one in recorded(model)]
    with pytest.raises(ConfigError, match="sampled from a base model with the hash ffffffffffffffff"):
        learn(LoraLearner(model, "one"), episodes)


def test_an_adapter_that_is_not_there_is_said_at_once() -> None:
    with pytest.raises(ConfigError, match="has no adapter 'two'"):
        LoraLearner(model_with("one"), "two")


CONFIG = NumericConfig(algorithm="grpo", lr=1e-2, baseline="ema", kl_stop=100)


def test_a_resumed_learner_ends_with_the_same_bits(tmp_path: Path) -> None:
    straight = model_with("one", "two")
    learner = LoraLearner(straight, {"a": "one", "b": "two"}, CONFIG)
    batches = [recorded(straight, ("a", "b"), first=4 * number) for number in range(4)]
    for batch in batches:
        learn(learner, batch)

    first = model_with("one", "two")
    interrupted = LoraLearner(first, {"a": "one", "b": "two"}, CONFIG)
    for batch in batches[:2]:
        learn(interrupted, batch)
    interrupted.save(tmp_path)
    states = random.random(), float(np.random.random()), torch.rand(1).item()

    second = model_with("one", "two")
    resumed = LoraLearner(second, {"a": "one", "b": "two"}, CONFIG)
    random.seed(99)
    resumed.load(tmp_path)
    assert (random.random(), float(np.random.random()), torch.rand(1).item()) == states
    for batch in batches[2:]:
        learn(resumed, batch)
    for name in ("one", "two"):
        assert torch.equal(weights(second, name), weights(straight, name))
        assert second.adapter(name) == straight.adapter(name)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)


FILES = [
    "files.json",
    "state.json",
    "optimizer.safetensors",
    "random.safetensors",
    "adapters/one/adapter_model.safetensors",
    "adapters/one/adapter_config.json",
]


@pytest.mark.parametrize("spoil", [cut, flipped, Path.unlink])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_checkpoint_is_one_error_and_changes_nothing(
    tmp_path: Path, file: str, spoil: Callable[[Path], None]
) -> None:
    model = model_with("one")
    learner = LoraLearner(model, "one", CONFIG)
    learn(learner, recorded(model))
    learner.save(tmp_path)
    learn(learner, recorded(model, first=4))
    before = weights(model, "one")
    spoil(tmp_path / "numeric" / file)
    with pytest.raises(FileFormatError, match=r"learner checkpoint .*numeric"):
        learner.load(tmp_path)
    assert torch.equal(weights(model, "one"), before)


def test_a_save_that_is_killed_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_with("one")
    learner = LoraLearner(model, "one", CONFIG)
    learn(learner, recorded(model))
    learner.save(tmp_path)
    kept = weights(model, "one")
    learn(learner, recorded(model, first=4))

    real = "training.numeric.checkpoint.os.replace"
    calls: list[Path] = []

    def dies_between_the_renames(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        Path(source).rename(target)

    with monkeypatch.context() as patch:
        patch.setattr("training.numeric.checkpoint.write_bytes", lambda path, data: path.write_bytes(data))
        patch.setattr("training.numeric.checkpoint.write_json", _plain_json)
        patch.setattr(
            model, "save_adapter", lambda name, folder: shutil.copytree(tmp_path / "numeric/adapters" / name, folder)
        )
        patch.setattr(real, dies_between_the_renames)
        with pytest.raises(KeyboardInterrupt):
            learner.save(tmp_path)
    learner.load(tmp_path)
    assert torch.equal(weights(model, "one"), kept)
    learner.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["numeric"]


def _plain_json(path: Path, value: Any, **_: Any) -> None:
    import json

    path.write_text(json.dumps(value))


def test_a_checkpoint_of_other_adapters_is_refused(tmp_path: Path) -> None:
    LoraLearner(model_with("one"), "one").save(tmp_path)
    with pytest.raises(FileFormatError, match=r"holds the adapters \['one'\] .* and \['two'\] .* are trained here"):
        LoraLearner(model_with("two"), "two").load(tmp_path)
    other = tiny_model(seed=7)
    other.add_adapter("one")
    with pytest.raises(FileFormatError, match="load the same model and adapters"):
        LoraLearner(other, "one").load(tmp_path)


def test_a_checkpoint_of_another_rank_is_refused_before_anything_changes(tmp_path: Path) -> None:
    model = model_with("one")
    learner = LoraLearner(model, "one", CONFIG)
    learn(learner, recorded(model))
    learner.save(tmp_path)
    other = tiny_model()
    other.add_adapter("one", rank=2)
    with pytest.raises(FileFormatError, match="add the adapter with the rank and targets that it had"):
        LoraLearner(other, "one").load(tmp_path)


def test_there_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        LoraLearner(model_with("one"), "one").load(tmp_path)
