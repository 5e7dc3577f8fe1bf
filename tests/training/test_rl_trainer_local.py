"""RLTrainer, training server and LoraLearner on one model: what was learned samples next, what is too old is left."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from local_models import tiny_model
from token_episodes import episode, step

from textgrad_agents.engines.local import LocalEngine
from textgrad_agents.errors import ConfigError
from textgrad_agents.interfaces import GenerateOptions, UpdateReport
from textgrad_agents.messages import user
from textgrad_agents.servers import LocalTrainingServer, TrainableModel
from training import EvalCallback, ModelCheckpointer, RecallBuffer, RLTrainer
from training.numeric.learner import LoraLearner
from training.numeric_config import NumericConfig

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
QUESTION = (user("Say something."),)


def world(*adapters, config=None, agents=None):
    """A server with one model, and the model."""
    model = tiny_model()
    for seed, name in enumerate(adapters or ("solver",)):
        model.add_adapter(name, rank=2, seed=seed)
    first = model.adapters[0].name
    learner = LoraLearner(model, agents or first, config or NumericConfig(lr=0.01))
    server = LocalTrainingServer()
    server.register([("trainable_model", TrainableModel(learner, LocalEngine(model, first)))])
    return server, model


def ask(server, seed):
    options = GenerateOptions(temperature=1.0, max_tokens=6, seed=seed)
    return asyncio.run(server.engine("trainable_model").generate(QUESTION, options))


def attempts(server, numbers, agent="a"):
    """Answers as episodes; every other one was right."""
    answers = [(number, ask(server, number)) for number in numbers]
    return [
        replace(
            episode(
                [step(agent, 0, float(number % 2), messages=QUESTION, reply=answer.text, trace=answer.trace)],
                episode_id=number,
            ),
            total_reward=float(number % 2),
        )
        for number, answer in answers
    ]


def likelihood(model, one):
    trace = one.trajectories[0].steps[0].trace
    return float(model.token_logprobs(trace.prompt_ids, trace.action_ids, adapter="solver").sum().detach())


def test_after_a_step_the_engine_samples_with_the_new_weights(tmp_path):
    server, model = world()
    measured = EvalCallback(["task"], {"version": lambda tasks: ask(server, 0).trace.adapter_version}, frequency=1)
    buffer = RecallBuffer(positive_recall_batch_size=2, negative_recall_batch_size=2)
    trainer = RLTrainer(
        model="trainable_model",
        server=server,
        recall_buffer=buffer,
        callbacks=[ModelCheckpointer(tmp_path, frequency=2), measured],
        trainable_params=["solver"],
        algorithm="reinforce",
        lr=0.02,
    )
    before = ask(server, 0).trace
    new = attempts(server, range(4))
    good = [likelihood(model, one) for one in new if one.total_reward]
    buffer.add(new)
    report = trainer.step()
    assert report.changed
    after = ask(server, 0).trace
    assert (before.adapter_version, after.adapter_version) == (0, 1)
    assert before.adapter != after.adapter == model.adapter("solver").sha256
    assert sum(likelihood(model, one) for one in new if one.total_reward) > sum(good)
    buffer.add(attempts(server, range(4, 8)))
    assert trainer.step().metrics["rows"] == 8, "4 new ones, 2 recalled that were right and 2 that were not"
    assert [path.name for path in tmp_path.iterdir()] == ["step_2"]
    assert measured.history == [{"step": 1, "version": 1.0}, {"step": 2, "version": 2.0}]
    saved = model.adapter("solver").sha256
    buffer.add(attempts(server, range(8, 12)))
    trainer.step()
    server.load("trainable_model", tmp_path / "step_2")
    assert ask(server, 0).trace.adapter == saved


def test_recalled_rows_that_are_too_old_are_dropped_and_counted():
    server, _ = world()
    buffer = RecallBuffer(positive_recall_batch_size=4, negative_recall_batch_size=4)
    trainer = RLTrainer("trainable_model", server, buffer, max_staleness=1)
    stale, rows = [], []
    for number in range(4):
        buffer.add(attempts(server, range(4 * number, 4 * number + 4)))
        report = trainer.step()
        assert report.changed
        stale.append(report.metrics["stale"])
        rows.append(report.metrics["stale"] + report.metrics["rows"])
    assert stale[:2] == [0, 0]
    assert stale[2] == 4, "those of the first step: all 8 old ones were recalled"
    assert stale[3] >= 2
    assert rows == [4, 8, 12, 12]
    assert any("were dropped as older than 1 versions" in note for note in report.notes)


def test_only_the_named_adapters_are_trained():
    server, model = world("one", "two", agents={"a": "one", "b": "two"})
    before = {adapter.name: adapter.sha256 for adapter in model.adapters}
    buffer = RecallBuffer()
    trainer = RLTrainer("trainable_model", server, buffer, trainable_params=["one"])
    buffer.add([*attempts(server, range(4)), *attempts(server, range(4, 8), agent="b")])
    report = trainer.step()
    assert model.adapter("one").sha256 != before["one"]
    assert model.adapter("two").sha256 == before["two"]
    assert "4 of 8 rows are of agents that no adapter is trained for" in report.notes


WRONG = {
    "trainable_params": (["lm_head"], r"adapters to train, of solver, not 'lm_head'; weights of the base model are"),
    "learning_rate": (0.1, "settings of the learner: .*learning_rate"),
    "lr": (-1, "lr must be greater than 0"),
    "rank": (4, r"rank of an adapter cannot change while it is trained; give it to add_adapter"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_set_is_said(name):
    value, said = WRONG[name]
    server, _ = world()
    with pytest.raises(ConfigError, match=said):
        RLTrainer("trainable_model", server, RecallBuffer(), **{name: value})
    with pytest.raises(ConfigError, match="of solver, not none"):
        RLTrainer("trainable_model", server, RecallBuffer(), trainable_params=[])


def test_settings_do_not_change_under_way():
    server, _ = world()
    buffer = RecallBuffer()
    RLTrainer("trainable_model", server, buffer)
    buffer.add(attempts(server, range(4)))
    RLTrainer("trainable_model", server, buffer).step()
    with pytest.raises(ConfigError, match="has made 1 updates with its settings"):
        RLTrainer("trainable_model", server, buffer, lr=0.1)


def test_a_learner_without_settings_takes_none():
    class Plain:
        name = "plain"

        async def update(self, episodes):
            return UpdateReport(self.name)

        def save(self, folder):
            raise NotImplementedError

        def load(self, folder):
            raise NotImplementedError

    server = LocalTrainingServer()
    server.register([("model", Plain())])
    with pytest.raises(ConfigError, match="the learner 'plain' of 'model' takes no trainable_params"):
        RLTrainer("model", server, RecallBuffer(), lr=0.1)
