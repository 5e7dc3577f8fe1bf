"""Weights are a leaf of the graph: one backward gives a prompt words and an adapter a number, and both are stepped."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from local_models import character_tokenizer, tiny_model, tiny_module

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.engines.local import LocalEngine, LocalModel
from textgrad_agents.errors import EngineRefusal, GraphError
from textgrad_agents.interfaces import Adapter, Criticism, CriticRequest, GenerateOptions
from textgrad_agents.ops import FxnOp, LLMCall, RewardLoss, op
from textgrad_agents.optim import TextualGradientDescent
from textgrad_agents.session import Session
from textgrad_agents.variables import Variable
from textgrad_agents.variables.serialize import graph_from_json, graph_to_json
from training.numeric.graph import episode_of
from training.numeric.learner import LoraLearner
from training.numeric.ranking import rank
from training.numeric.reading import rows_of
from training.numeric_config import NumericConfig

OPTIONS = GenerateOptions(temperature=1.0, max_tokens=6)


class Critic:
    """Says the same of everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.requests: list[CriticRequest] = []

    async def criticise(self, request: CriticRequest) -> dict[str, Criticism]:
        self.requests.append(request)
        return {one.name: Criticism("Be bolder.") for one in request.inputs if one.wanted}


class Agent:
    """A prompt, weights, and a function of the reply."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model
        self.prompt = Variable("Be brief.", role_description="system prompt", name="prompt")
        handle = model.add_adapter("solver")
        self.adapter = Variable(handle, role_description="weights of the solver", name="weights")
        self.engine = LocalEngine(model)
        self.count = FxnOp(lambda text: sum(character.islower() for character in text), "count letters")

    def play(self, seed: int) -> Variable[Any]:
        options = GenerateOptions(temperature=1.0, max_tokens=6, seed=seed)
        ask = LLMCall(self.engine, self.prompt, options=options, adapter=self.adapter)
        return self.count(ask("Say something."))


@pytest.fixture
def agent() -> Agent:
    return Agent(tiny_model())


def test_backward_gives_the_prompt_words_and_the_weights_a_number(agent: Agent) -> None:
    critic = Critic()
    letters = agent.play(3)
    loss = RewardLoss(lambda count: (count / 4, "more letters, please"), maximum=None)(letters)
    loss.backward(critic)
    assert [gradient.text for gradient in agent.prompt.gradients] == ["Be bolder."]
    assert agent.adapter.grad == loss.value
    assert agent.adapter.gradients == ()
    (request,) = critic.requests
    assert {one.name for one in request.inputs} == {"messages", "system_prompt"}
    assert request.feedback == ("more letters, please",)


def test_compute_grads_does_so_too_and_scales_the_number(agent: Agent) -> None:
    with Session(critic=Critic()):
        loss = RewardLoss(lambda count: (count + 1, "more"), maximum=None)(agent.play(1))
        numbers = loss.compute_grads(2.0)
    assert numbers["weights"] == 2 * loss.value
    assert [gradient.text for gradient in agent.prompt.gradients] == ["Be bolder."]


def test_compute_grads_from_the_reply_itself_takes_the_number_as_the_reward(agent: Agent) -> None:
    ask = LLMCall(agent.engine, agent.prompt, options=OPTIONS, adapter=agent.adapter)
    with Session(critic=Critic()):
        assert ask("Say something.").compute_grads(0.5)["weights"] == 0.5
    assert agent.prompt.gradients == ()


def test_the_best_score_asks_no_critic_and_still_reaches_the_weights(agent: Agent) -> None:
    critic = Critic()
    RewardLoss(lambda _: 1.0)(agent.play(1)).backward(critic)
    assert agent.adapter.grad == 1.0
    assert critic.requests == []
    assert agent.prompt.gradients == ()


def test_a_reward_counts_once_per_call_whichever_ways_it_comes(agent: Agent) -> None:
    ask = LLMCall(agent.engine, agent.prompt, options=OPTIONS, adapter=agent.adapter)
    first = ask("Draft.")
    second, third = ask(first), ask([first, "again"])
    join = op(lambda left, right: f"{left}{right}")
    loss = RewardLoss(lambda _: 0.25)(join(second, third))
    loss.backward(Critic())
    worths = [one.call.get("reward") for one in (first, second, third) if one.call is not None]
    assert worths == [0.25, 0.25, 0.25]
    assert agent.adapter.grad == 0.75


def test_two_losses_on_one_reply_are_summed(agent: Agent) -> None:
    reply = agent.play(1)
    for worth in (0.5, -1.0):
        RewardLoss(lambda _, worth=worth: worth)(reply).backward(Critic())
    assert agent.adapter.grad == -0.5


def test_weights_alone_ask_no_critic(agent: Agent) -> None:
    critic = Critic()
    ask = LLMCall(agent.engine, "Be brief.", options=OPTIONS, adapter=agent.adapter)
    RewardLoss(lambda _: (0.5, "more"))(ask("Go.")).backward(critic)
    assert critic.requests == []
    assert agent.adapter.grad == 0.5


def test_a_loss_without_a_number_says_nothing_to_the_weights(agent: Agent) -> None:
    ask = LLMCall(agent.engine, agent.prompt, options=OPTIONS, adapter=agent.adapter)
    reply = ask("Go.")
    reply.backward(Critic())
    assert agent.adapter.grad is None
    with pytest.raises(GraphError, match="got no reward"):
        episode_of(reply, agent.adapter)


def test_the_record_of_a_graph_has_its_tokens_and_numbers(agent: Agent) -> None:
    ask = LLMCall(agent.engine, agent.prompt, options=OPTIONS, adapter=agent.adapter)
    first = ask("Draft.")
    half = RewardLoss(lambda _: 0.5)(first)
    whole = RewardLoss(lambda _: 2.0)(ask(first))
    total = half + whole
    total.backward(Critic())
    episode = episode_of(total, agent.adapter, agent="solver", seed=4)
    (trajectory,) = episode.trajectories
    assert [step.reward for step in trajectory.steps] == [0.5, 2.0]
    assert episode.total_reward == 2.5
    for step in trajectory.steps:
        assert step.trace is not None
        assert step.trace.adapter == agent.adapter.value.sha256
        assert step.messages[0].content == "Be brief."
        with torch.no_grad():
            scored = agent.model.token_logprobs(step.trace.prompt_ids, step.trace.action_ids, adapter="solver")
        np.testing.assert_allclose(step.trace.logprobs, scored, atol=1e-4)


def test_both_learners_step_from_one_backward(agent: Agent) -> None:
    """A prompt changes by words, weights by a number, from the same graphs; the rewarded replies become likelier."""
    rewriter = ScriptedEngine(['{"improved_variable": "Be bold.", "reason": "told so"}'], structured=True)
    optimizer = TextualGradientDescent([agent.prompt], engine=rewriter)
    config = NumericConfig(algorithm="reinforce", baseline="group_mean", lr=1e-2, updates_per_batch=4, kl_stop=10.0)
    learner = LoraLearner(agent.model, "solver", config)
    critic, losses = Critic(), []
    for seed in range(12):
        loss = RewardLoss(lambda count: (float(count), "more letters"), maximum=None)(agent.play(seed))
        loss.backward(critic)
        losses.append(loss)
    assert agent.adapter.grad == sum(loss.value for loss in losses)
    episodes = [episode_of(loss, agent.adapter, agent="solver", episode_id=k) for k, loss in enumerate(losses)]
    best = max(episodes, key=lambda episode: episode.total_reward).trajectories[0].steps[0].trace
    assert best is not None
    before = _likelihood(agent.model, best)

    report = asyncio.run(learner.update(episodes))
    optimizer.step()
    old = agent.adapter.value
    agent.adapter.value = agent.model.adapter("solver")

    assert report.changed
    assert agent.prompt.value == "Be bold."
    assert agent.adapter.value.version == 1
    assert agent.adapter.value.sha256 != old.sha256
    assert _likelihood(agent.model, best) > before
    agent.play(1).value  # noqa: B018 (the call is made)
    agent.adapter.value = old
    with pytest.raises(EngineRefusal, match="is at version 1 by now"):
        agent.play(1).value  # noqa: B018


def _likelihood(model: LocalModel, trace: Any) -> float:
    with torch.no_grad():
        return float(model.token_logprobs(trace.prompt_ids, trace.action_ids, adapter="solver").sum())


def test_prompts_of_a_graph_can_be_ranked_from_its_record(agent: Agent) -> None:
    losses = [RewardLoss(lambda count: float(count), maximum=None)(agent.play(seed)) for seed in range(4)]
    for loss in losses:
        loss.backward(Critic())
    episodes = [episode_of(loss, agent.adapter, episode_id=k) for k, loss in enumerate(losses)]
    same, _ = rank(rows_of(episodes), agent.model, {"same": {"prompt": "Be brief."}, "other": {"prompt": "Be bold."}},
                   adapter="solver")  # fmt: skip
    assert same.name == "same"
    assert same.mean_weight == pytest.approx(1, abs=1e-3)
    assert same.value == pytest.approx(np.mean([loss.value for loss in losses]), abs=1e-2)


def test_a_graph_with_weights_is_written_and_read(agent: Agent, tmp_path: Path) -> None:
    again = graph_from_json(graph_to_json(agent.play(1)))
    (weights,) = [one for one in again.traverse() if isinstance(one.value, Adapter)]
    assert weights.value == agent.adapter.value


def test_what_cannot_be_recorded_is_said(agent: Agent) -> None:
    elsewhere = LLMCall(ScriptedEngine(["hello"]), agent.prompt, adapter=agent.adapter)
    loss = RewardLoss(lambda _: 0.5)(elsewhere("Go."))
    loss.backward(Critic())
    with pytest.raises(GraphError, match="recorded no tokens"):
        episode_of(loss, agent.adapter)
    other = Variable(Adapter("other"), role_description="other weights")
    with pytest.raises(GraphError, match="no call below this loss uses the weights of 'other weights'"):
        episode_of(loss, other)


def test_the_documented_programs_run(tmp_path: Path) -> None:
    tiny_module().save_pretrained(tmp_path)
    character_tokenizer().save_pretrained(tmp_path)
    page = (Path(__file__).parents[3] / "docs" / "numeric.md").read_text()
    blocks = [block.split("```")[0] for block in page.split("```python\n")[1:]]
    (loading,) = [block for block in blocks if "path/to/model" in block]
    (stepping,) = [block for block in blocks if "episode_of(loss, weights)" in block]
    names: dict[str, Any] = {
        "LLMCall": LLMCall,
        "RewardLoss": RewardLoss,
        "Variable": Variable,
        "episode_of": episode_of,
    }
    exec(compile(loading.replace("path/to/model", str(tmp_path)), "numeric.md", "exec"), names)
    names |= {
        "prompt": Variable("Be brief.", role_description="system prompt"),
        "parse": op(str.strip, name="strip"),
        "metric": lambda text: (0.25, "say more"),
        "question": "What now?",
    }
    with Session(critic=Critic()):
        exec(compile(stepping, "numeric.md", "exec"), names)
    assert names["weights"].grad == 0.25
    assert [gradient.text for gradient in names["prompt"].gradients] == ["Be bolder."]
    assert names["episode"].total_reward == 0.25
