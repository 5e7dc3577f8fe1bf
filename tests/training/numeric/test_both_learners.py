"""One record, two learners: the same stored episodes teach a prompt in words and an adapter by policy gradient."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from local_models import tiny_model

from envs import make
from textgrad_agents import ScriptedEngine
from textgrad_agents.engines.local import LocalEngine
from textgrad_agents.messages import Message
from textgrad_agents.trajectory import Episode
from training.acting import LanguageTeam
from training.export import load_episode, write_episode
from training.gate import AlwaysAccept
from training.judging import EpisodeCritic
from training.numeric.learner import LoraLearner
from training.numeric_config import NumericConfig
from training.paradigms import ParadigmEvaluator
from training.rollout import rollout
from training.textual import TextualLearner

POLICIES = {"keeper_0": "Press what is lit.", "keeper_1": "Wait."}
SCORES = [0.9, -0.7, 0.3, -0.4]


def judge(messages: Sequence[Message], options: Any) -> str:
    """Says of each agent a number and words that name it."""
    score = SCORES[options.seed % len(SCORES)]
    return json.dumps({agent: {"score": score, "feedback": f"{agent} should look first"} for agent in POLICIES})


def rewrite(messages: Sequence[Message], options: Any) -> str:
    tag = re.search(r"<(NEW_[0-9a-f]{8})>", messages[-1].text)
    assert tag is not None
    assert "should look first" in messages[-1].text
    return f"<{tag[1]}>\nLook, then press.\n</{tag[1]}>"


def test_the_same_stored_episodes_feed_both(tmp_path: Path) -> None:
    model = tiny_model()
    model.add_adapter("team", rank=4)
    environment = make("lamps", num_agents=2, max_cycles=3)
    team = LanguageTeam(environment, POLICIES, LocalEngine(model, "team", max_tokens=6), temperature=1.0)
    for number in range(4):
        played = asyncio.run(rollout(environment, team, (0, "train", 0, number), episode_id=number))
        chance = np.random.default_rng(number)  # what is said at random earns at random, so that groups differ
        runs = tuple(
            replace(run, steps=tuple(replace(one, reward=float(chance.normal())) for one in run.steps))
            for run in played.trajectories
        )
        write_episode(tmp_path / str(number), replace(played, seed=1, trajectories=runs))
    stored = [load_episode(tmp_path / str(number)) for number in range(4)]

    evaluator = ParadigmEvaluator(
        "central_credit", agents=environment.agents, environment="lamps", rules=environment.rules
    )
    critic = ScriptedEngine(judge)
    judgement = asyncio.run(EpisodeCritic(evaluator, critic, roles=dict.fromkeys(POLICIES, "keeper")).judge(stored))
    episodes: tuple[Episode, ...] = judgement.episodes
    calls = len(critic.calls)

    textual = TextualLearner(POLICIES, ScriptedEngine(rewrite), AlwaysAccept())
    words = asyncio.run(textual.update(episodes))
    before = {key: value.detach().clone() for key, value in model.trainable("team")}
    numeric = LoraLearner(model, "team", NumericConfig(lr=1e-3, credit="agents", kl_stop=1.0))
    numbers = asyncio.run(numeric.update(episodes))

    assert words.changed
    assert set(textual.policies.values()) == {"Look, then press."}
    assert numbers.changed
    assert numbers.metrics["rows"] == sum(1 for one in episodes for _ in one.steps()) == 24
    assert abs(numbers.metrics["ratio"] - 1) < 1e-4  # on policy: the record holds the model's own probabilities
    assert any(not torch.equal(value, before[key]) for key, value in model.trainable("team"))
    assert model.adapter("team").version == 1
    assert len(critic.calls) == calls == 4  # one critic call per episode served both
