"""A vLLM server samples while the adapter learns in this process: each version answers as soon as it is made."""

from __future__ import annotations

from hashlib import blake2b
from itertools import groupby

import pytest
from fake_vllm import FakeVLLM
from killable import Paid
from local_models import LAMP_WORDS, write_lamp_model

from textgrad_agents.errors import ConfigError, EngineError
from textgrad_agents.policy import read_policy_file
from training import MonteCarloTrainer, TrainingConfig, launch
from training.commands import rebuild
from training.engines import NO_LIMITS, Engines
from training.local_policy import LocalPolicy

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
END = 2
FIRST = 4  # id of the first word


def logits(ids, weights):
    """Of the three actions and the end; they depend on the conversation and on the adapter."""
    seeds = {token: repr((list(ids), token)).encode() + weights for token in (END, FIRST, FIRST + 1, FIRST + 2)}
    return {token: blake2b(seed, digest_size=1).digest()[0] / 128 for token, seed in seeds.items()}


def decode(ids):
    return " ".join(LAMP_WORDS[token - FIRST] for token in ids if token >= FIRST)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_lamp_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def server(model):
    with FakeVLLM(model=str(model), logits=logits, decode=decode, end=END) as server:
        yield server


@pytest.fixture
def configure(tmp_path, model, server):
    def make(**settings):
        given = {
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 3},
            "exp_name": "run",
            "experiments_dir": tmp_path / "experiments",
            "policy_path": tmp_path / "policy.json",
            "base_model": str(model),
            "sampler": server.url,
            "update": "weights",
            "num_iterations": 3,
            "trajectories_per_iteration": 2,
            "prompts": "bare",
            "exploration": 1.0,
            "siblings": 2,
            "gate": "mean",
            "gate_episodes": 1,
            "save_gif": False,
            "numeric": {"max_tokens": 1, "lr": 0.01, "rank": 2},
            **settings,
        }
        return TrainingConfig(**given)

    return make


def train(config):
    local = LocalPolicy(config)
    words = Paid(config.experiments_dir.parent / "paid.log")
    with MonteCarloTrainer(config, engines=Engines(local.engine, words, words, local)) as trainer:
        return trainer.train_full()


def samplers(server, since=0):
    """Who sampled, in order, each as often as it did in a row."""
    return [(name, len(list(calls))) for name, calls in groupby(server.sampled_by()[since:])]


def names(path):
    """What the versions of a run are called at the server."""
    file = read_policy_file(path)
    references = [file.at(number).agent_policies["keeper_0"].adapter for number in file.iterations]
    return [f"weights-v{number}-{one.sha256[:8]}" for number, one in enumerate(references) if one is not None]


def test_each_version_samples_as_soon_as_it_is_made(configure, server, tmp_path):
    rows = train(configure())
    assert all(row["weights"]["changed"] for row in rows)
    assert all(row["weights"]["rows"] == 12 and row["weights"]["stale"] == 0 for row in rows)
    one, two, _ = names(tmp_path / "policy.json")
    assert samplers(server) == [(server.model, 2 + 12), (one, 12), (two, 12)]  # 2 to see that log-probabilities fit
    assert {folder.parent for folder in server.reads} == {tmp_path / "experiments" / "run" / "adapters"}


def test_the_gate_tests_texts_with_the_weights_that_were_just_made(configure, server, tmp_path):
    train(configure(update="both", num_iterations=2))
    one, two = names(tmp_path / "policy.json")
    gate = 2 * 6  # 2 teams, 2 agents, 3 cycles; at temperature 0 equal words are asked once
    (base, first), (name, between), (last, after) = samplers(server)
    assert (base, name, last) == (server.model, one, two)
    assert first == 2 + 12
    assert 12 < between <= gate + 12
    assert 0 < after <= gate


def test_what_was_sampled_is_in_the_journal(configure, server, tmp_path):
    train(configure(num_iterations=2))
    asked = len(server.sampled_by())
    train(configure())
    [(name, calls), *_] = samplers(server, asked)
    assert (name, calls) == (server.model, 2)  # the question about log-probabilities, of each start
    assert samplers(server, asked + 2) == [(names(tmp_path / "policy.json")[1], 12)]
    before = (tmp_path / "policy.json").read_bytes()
    asked = len(server.requests)
    rebuild.rebuild(tmp_path / "experiments" / "run")
    assert (tmp_path / "policy.json").read_bytes() == before
    assert len(server.requests) == asked


def test_a_server_that_lost_the_weights_is_given_them_again(configure, server, tmp_path):
    complete = server._complete

    def forgetful(body):
        if len(server.sampled_by()) == 20:  # in the middle of iteration 1
            server.forget()
        return complete(body)

    server._complete = forgetful
    rows = train(configure(num_iterations=2))
    assert [row["failed_episodes"] for row in rows] == [0, 0]
    [folder] = set(server.reads)
    assert len(server.reads) == 2
    assert folder.parent == tmp_path / "experiments" / "run" / "adapters"
    assert samplers(server)[-1][0] == names(tmp_path / "policy.json")[0]


def test_prompt_and_weights_are_evaluated_at_the_server(configure, server, tmp_path, capsys):
    train(configure(num_iterations=1))
    asked = len(server.sampled_by())
    assert launch.evaluate(configure(exp_name="other"), 2, NO_LIMITS) == 0
    assert [path.name for path in (tmp_path / "experiments" / "other").iterdir() if path.name == "adapters"] == []
    assert f"sampled by {server.url}, adapter" in capsys.readouterr().out
    [(name, calls)] = samplers(server, asked + 2)
    assert name.startswith("evaluated-v1-")
    assert 0 < calls <= 12


def test_old_and_new_are_compared_at_the_server(configure, server, tmp_path):
    config = configure(num_iterations=1)
    local = LocalPolicy(config)
    with MonteCarloTrainer(config, engines=Engines(local.engine, local.engine, local.engine, local)) as trainer:
        trainer.train_full()
        asked = len(server.sampled_by())
        cells = trainer.compare(2)
    [name] = {name for name, _ in samplers(server, asked)} - {server.model}
    assert name.startswith("compared_new-v1-")
    assert [(cell.prompt, cell.weights) for cell in cells] == [
        *(("old", "old"), ("old", "new")),
        *(("new", "old"), ("new", "new")),
    ]


def test_a_server_that_loads_no_adapters(configure, server):
    server.allow_updates = False
    with pytest.raises(ConfigError, match="loads no adapters while it runs; start the server with --enable-lora"):
        train(configure())


def test_a_server_that_has_another_model(configure, server, model):
    server.model = "another"
    with pytest.raises(EngineError, match=r"does not exist|does not serve") as caught:
        train(configure())
    assert str(model) in str(caught.value)


def test_a_server_that_is_not_there(configure, server, tmp_path):
    config = configure(sampler="http://127.0.0.1:1/v1")
    with pytest.raises(EngineError, match=r"nothing answers at http://127\.0\.0\.1:1/v1"):
        launch.train(config, NO_LIMITS, overwrite=False, progress="none", command="train")
    assert not (tmp_path / "experiments").exists()
    assert not server.requests
