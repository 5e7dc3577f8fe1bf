"""A team that a local model plays: its rows hold the policy's tokens and the probabilities the model gives them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import torch
from local_models import tiny_model

from envs import make
from textgrad_agents.engines.local import LocalEngine, LocalModel
from textgrad_agents.trajectory import Episode
from training.acting import LanguageTeam
from training.export import load_episode, write_episode
from training.numeric import Rows, rows_of
from training.rollout import rollout

POLICIES = {"keeper_0": "Press what is lit.", "keeper_1": "  Wait.\n"}


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return tiny_model()


@pytest.fixture(scope="module")
def episode(model: LocalModel) -> Episode:
    environment = make("lamps", num_agents=2, max_cycles=3)
    team = LanguageTeam(environment, POLICIES, LocalEngine(model, max_tokens=6), temperature=0.7)
    return asyncio.run(rollout(environment, team, (0, "train", 0, 0)))


@pytest.fixture(scope="module")
def rows(episode: Episode, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Of the episode as it is read back."""
    folder = tmp_path_factory.mktemp("episode")
    write_episode(folder, episode)
    return rows_of([load_episode(folder)])


def test_every_decision_is_a_row(episode: Episode, model: LocalModel, rows: Rows) -> None:
    assert len(rows) == sum(1 for _ in episode.steps()) == 6
    assert rows.left_out == ()
    assert {(row.base, row.adapter, row.temperature) for row in rows} == {(model.base_hash, "", 0.7)}
    for row, step in zip(rows, episode.steps(), strict=True):
        assert row.finish == step.finish
        assert row.finish in ("stop", "length")


def test_the_policy_stands_where_the_row_says(model: LocalModel, rows: Rows) -> None:
    for row in rows:
        (span,) = row.spans
        assert span.variable == row.agent
        assert model.tokenizer.decode(row.prompt_ids[span.start : span.end]) == POLICIES[row.agent].strip()


def test_the_recorded_probabilities_are_those_of_the_model(model: LocalModel, rows: Rows) -> None:
    with torch.no_grad():
        for row in rows:
            scored = model.token_logprobs(row.prompt_ids, row.action_ids, temperature=row.temperature).numpy()
            np.testing.assert_allclose(row.sampler_logprobs, scored, atol=1e-5)


def test_episodes_of_another_base_model_are_refused(episode: Episode) -> None:
    other = LocalEngine(tiny_model(seed=1), max_tokens=6)
    environment = make("lamps", num_agents=2, max_cycles=3)
    team = LanguageTeam(environment, POLICIES, other, temperature=0.7)
    foreign = asyncio.run(rollout(environment, team, (0, "train", 0, 1)))
    with pytest.raises(ValueError, match="a batch must come from one base model"):
        rows_of([episode, replace(foreign, episode_id=1)])
