"""Tokens through a whole run: an engine's traces are in the episode files, in the journal and in the rows."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textgrad_agents.engines import RulebookEngine
from textgrad_agents.interfaces import DEFAULT_OPTIONS, GenerateOptions
from textgrad_agents.messages import Completion, Message, PromptSpan, Sampling, TokenTrace
from textgrad_agents.messages.spans import spans_of
from textgrad_agents.seeds import text_hash
from textgrad_agents.trajectory import Episode
from training import EpisodeLoader, MonteCarloTrainer, TrainingConfig
from training.commands.rebuild import rebuild
from training.engines import Engines
from training.numeric import TokenStore, advantages, credit_weights, rows_of


class Letters:
    """Presses one of two buttons at random; its tokens are characters."""

    name = "letters"

    async def generate(self, messages: Sequence[Message], options: GenerateOptions = DEFAULT_OPTIONS) -> Completion:
        chance = random.Random(options.seed)
        said = chance.choice(["0", "1"])
        prompt, spans = "", []
        for message in messages:
            for one in spans_of(message):
                spans.append(PromptSpan(len(prompt) + one.start, len(prompt) + one.end, one.variable, one.version))
            prompt += f"{message.text}\n"
        trace = TokenTrace(
            np.array([ord(letter) for letter in prompt], np.int32),
            np.array([ord(letter) for letter in said], np.int32),
            np.full(len(said), math.log(0.5), np.float32),
            np.ones(len(said), np.bool_),
            spans=tuple(spans),
            sampling=Sampling(options.temperature or 0.0, seed=options.seed, engine=self.name, dtype="float32"),
            base="letters-base",
            adapter="letters-adapter",
            adapter_version=2,
        )
        return Completion(said, trace=trace, model=self.name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one iteration with three episodes of two agents."""
    folder = tmp_path_factory.mktemp("run")
    settings: dict[str, Any] = {
        "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 5},
        "exp_name": "mine",
        "experiments_dir": folder / "experiments",
        "policy_path": folder / "policy.json",
        "num_iterations": 1,
        "save_gif": False,
    }
    rulebook = RulebookEngine()
    with MonteCarloTrainer(TrainingConfig(**settings), engines=Engines(Letters(), rulebook, rulebook)) as trainer:
        trainer.train_full()
    return trainer.run.path


@pytest.fixture(scope="module")
def episodes(run: Path) -> list[Episode]:
    return EpisodeLoader(run.parent).load_records("mine", 0)


def letters(ids: Any) -> str:
    return "".join(map(chr, ids))


def test_every_decision_of_the_files_is_a_row(episodes: list[Episode]) -> None:
    rows = rows_of(episodes, returns="to_go", roles=dict.fromkeys(episodes[0].agents, "keeper"))
    steps = [step for episode in episodes for step in episode.steps()]
    assert len(rows) == len(steps) == 3 * 2 * 5
    assert rows.left_out == ()
    for row, step in zip(rows, steps, strict=True):
        assert letters(row.prompt_ids) == "".join(f"{message.text}\n" for message in step.messages)
        assert (letters(row.action_ids), row.finish) == (step.reply, "stop")
        assert row.sampler_logprobs.tolist() == [np.float32(math.log(0.5))]
        assert (row.base, row.adapter, row.adapter_version) == ("letters-base", "letters-adapter", 2)
        assert row.temperature == 0.15
        (span,) = row.spans
        assert (span.variable, span.version) == (step.agent, row.prompt_version)
        assert text_hash(letters(row.prompt_ids[span.start : span.end])) == row.prompt_version


def test_the_files_and_their_traces_are_made_anew_from_the_journal(run: Path) -> None:
    paths = sorted(run.rglob("trajectory.*")) + sorted(run.rglob("episode.json"))
    before = {path: path.read_bytes() for path in paths}
    assert len(before) == 3 * 4
    for path in paths:
        path.unlink()
    rebuild(run)
    assert {path: path.read_bytes() for path in paths} == before


def test_from_the_files_to_a_stored_batch(episodes: list[Episode], tmp_path: Path) -> None:
    """What a learner does before its first tensor."""
    rows = rows_of(episodes)
    returns = {f"{one.agent} {e.seed}": one.total_reward for e in episodes for one in e.trajectories}
    assert all(row.reward == returns[f"{row.agent} {row.group[1]}"] for row in rows)
    weighted = credit_weights(advantages(rows, "leave_one_out").rows, episodes, "agents")
    weights = np.concatenate([row.weights for row in weighted if row.weights is not None])
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    assert len(set(weights.tolist())) > 1, "the critic of the run judged its agents"
    store = TokenStore(tmp_path)
    view = store.view(store.append(weighted), prompt_version="p", credit="agents")
    for row, kept in zip(weighted, TokenStore(tmp_path).rows(view.ids), strict=True):
        assert (kept.advantage, kept.group, kept.spans) == (row.advantage, row.group, row.spans)
        np.testing.assert_array_equal(kept.weights, row.weights)


def test_the_documented_program_runs(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(run.parents[1])
    page = Path(__file__).parents[3] / "docs" / "numeric.md"
    source = page.read_text().split("```python\n")[1].split("```")[0]
    assert '"my_exp"' in source
    exec(compile(source.replace("my_exp", run.name), str(page), "exec"), {})
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "{} ()"
    assert len(TokenStore(run / "tokens")) == 3 * 2 * 5
    assert told[1] == TokenStore(run / "tokens").view(range(30), credit="agents").hash
