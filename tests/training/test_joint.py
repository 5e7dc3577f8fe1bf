"""Texts and weights learn from the same episodes: how many are played, what is kept, what cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from killable import Paid
from local_models import tiny_model, write_lamp_model

from envs.lamps import LampsEnvironment
from textgrad_agents.errors import ConfigError, FileFormatError, TextgradAgentsError
from textgrad_agents.messages import user
from textgrad_agents.policy import read_policy_file
from textgrad_agents.session import Session
from training import MonteCarloTrainer, TrainingConfig, launch
from training.command_line import Parser
from training.commands import doctor, policies, rebuild
from training.dry_run import print_estimates
from training.engines import NO_LIMITS, Engines
from training.local_policy import LocalPolicy

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_lamp_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def configure(tmp_path, model):
    def make(**settings):
        given = {
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 3},
            "exp_name": "run",
            "experiments_dir": tmp_path / "experiments",
            "policy_path": tmp_path / "policy.json",
            "seed": 3,
            "base_model": str(model),
            "update": "both",
            "num_iterations": 2,
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


def train(config, log=None, **options):
    """Train with a critic and an optimizer that say something new each time."""
    local = LocalPolicy(config)
    words = Paid(log or config.experiments_dir.parent / "paid.log")
    with MonteCarloTrainer(config, engines=Engines(local.engine, words, words, local), **options) as trainer:
        return trainer.train_full()


def tree(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def adapters(path):
    """Hash and folder of the weights of each version."""
    file = read_policy_file(path)
    found = []
    for number in file.iterations:
        [adapter] = {policy.adapter for policy in file.at(number).agent_policies.values()}
        found.append(None if adapter is None else (adapter.sha256, path.parent / adapter.path))
    return found


# -- one record ------------------------------------------------------------------------------------------------------


def test_the_joint_run_plays_no_more_episodes_than_the_text_run(configure, tmp_path, monkeypatch):
    begun = []
    reset = LampsEnvironment.reset
    monkeypatch.setattr(LampsEnvironment, "reset", lambda self, seed: (begun.append(seed), reset(self, seed)))
    played = {}
    for update in ("text", "both"):
        begun.clear()
        rows = train(
            configure(update=update, experiments_dir=tmp_path / update, policy_path=tmp_path / f"{update}.json")
        )
        played[update] = len(begun)
        assert ["weights" in row for row in rows] == [update == "both"] * 2
    assert played["both"] == played["text"] == 2 * (2 + 2)  # of each iteration: 2 to learn from, 2 of the gate


def test_a_row_keeps_texts_and_weights_apart(configure):
    for row in train(configure()):
        weights = row["weights"]
        assert weights["changed"]
        assert (weights["rows"], weights["tokens"]) == (12, 12)  # 2 episodes, 2 agents, 3 cycles, a token each
        assert weights["groups"] in (3, 6)  # of the cycles; of their agents, once those have policies of their own
        assert weights["steps"] >= 1
        assert {"loss", "grad_norm", "kl", "ratio", "ess", "dead_groups", "stale"} <= weights.keys()
        numeric, textual = row["decision"].split("; ")[:2]
        assert numeric.startswith("weights: ")
        assert textual.startswith("accepted" if row["accepted"] else "kept the present policies")


def test_weights_alone_accept_no_policy(configure, tmp_path):
    rows = train(configure(update="weights"))
    assert [row["accepted"] for row in rows] == [None, None]
    assert all(row["decision"].startswith("weights: ") for row in rows)
    assert not (tmp_path / "paid.log").read_text()
    versions = json.loads((tmp_path / "policy.json").read_text())["policies"]
    for version in list(versions.values())[1:]:
        assert version["lineage"]["accepted"] is None
        assert version["lineage"]["model"] is None
        assert {policy["policy"] for policy in version["agent_policies"].values()} == {"No rules are known yet."}


def test_texts_alone_leave_the_weights_as_they_are(configure, tmp_path):
    train(configure())
    last = adapters(tmp_path / "policy.json")[-1]
    train(configure(update="text", exp_name="next", policy_path=tmp_path / "policy.json"))
    assert {sha for sha, _ in adapters(tmp_path / "policy.json")[-2:]} == {last[0]}


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_every_version_refers_to_weights_that_load_again(configure, tmp_path):
    train(configure())
    first, *others = adapters(tmp_path / "policy.json")
    assert first is None
    assert len({sha for sha, _ in others}) == 2
    file, local = read_policy_file(tmp_path / "policy.json"), LocalPolicy(configure(numeric={"rank": 3}))
    for number, (sha, folder) in enumerate(others, start=1):
        assert folder.parent == tmp_path / "experiments" / "run" / "adapters"
        reference = file.at(number).agent_policies["keeper_0"].adapter
        engine = local.engine_of(reference, tmp_path, f"version_{number}")
        with Session() as session:
            completion = session.portal.run(engine.generate([user("left")]))
        assert completion.trace.adapter == sha


def test_prompt_and_weights_are_evaluated_together(configure, tmp_path, capsys):
    train(configure())
    [_, _, (sha, folder)] = adapters(tmp_path / "policy.json")
    assert launch.evaluate(configure(exp_name="other"), 2, NO_LIMITS) == 0
    said = capsys.readouterr().out
    assert f"in this process, adapter experiments/run/adapters/{sha[:16]}" in said
    assert "2 episodes: mean" in said
    without = configure(base_model=None, update="text", prompts="full")
    assert launch.evaluate(without, 1, NO_LIMITS) == 0
    assert "are not used: they are of base_model" in capsys.readouterr().out
    shutil.rmtree(folder)
    with pytest.raises(ConfigError, match=r"adapter .* is missing"):
        launch.evaluate(configure(), 1, NO_LIMITS)


def test_a_run_that_stops_goes_on_to_the_same_weights(configure, tmp_path):
    whole = configure(experiments_dir=tmp_path / "a", policy_path=tmp_path / "a.json", num_iterations=3)
    train(whole)
    parts = configure(experiments_dir=tmp_path / "b", policy_path=tmp_path / "b.json", num_iterations=3)
    stops = [2, 4, 7]  # finished episodes of a start, after which it is asked to stop

    while stops:
        seen, after = [], stops.pop(0)
        local = LocalPolicy(parts)
        words = Paid(tmp_path / "paid.log")
        asked = []

        def watch(event, seen=seen, after=after, asked=asked):
            seen.append(event.kind)
            if seen.count("episode_finished") == after and asked:
                asked.pop()()

        with MonteCarloTrainer(parts, engines=Engines(local.engine, words, words, local), on_event=watch) as trainer:
            asked.append(trainer.request_stop)
            trainer.train_full()
    train(parts)
    one, two = (adapters(tmp_path / f"{name}.json") for name in "ab")
    assert [entry and entry[0] for entry in one] == [entry and entry[0] for entry in two]
    assert [tree(entry[1]) == {entry[1] / p.name: b for p, b in tree(other[1]).items()} for entry, other in
            zip(one[1:], two[1:], strict=True)] == [True] * 3  # fmt: skip
    rows = [json.loads((tmp_path / name / "run" / "summary.json").read_text()) for name in "ab"]
    assert rows[0] == rows[1]


# -- weights that cannot be used -------------------------------------------------------------------------------------


def remove(folder, model):
    shutil.rmtree(folder)


def edit(folder, model):
    path = folder / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def swap(folder, model):
    """Put weights there that were trained elsewhere."""
    other = tiny_model(seed=1)
    other.add_adapter("weights", rank=2)
    other.save_adapter("weights", folder)


DAMAGES = {
    remove: "is missing",
    edit: "are not those that were saved",
    swap: "was trained on a base model with the hash",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("again", [True, False])
def test_weights_that_cannot_be_used_are_one_error_and_nothing_is_written(configure, tmp_path, model, damage, again):
    train(configure())
    damage(adapters(tmp_path / "policy.json")[-1][1], model)
    policies, before = (tmp_path / "policy.json").read_bytes(), tree(tmp_path / "experiments")
    settings = {"num_iterations": 3} if again else {"exp_name": "second"}
    with pytest.raises((ConfigError, FileFormatError), match=DAMAGES[damage]):
        train(configure(**settings))
    assert (tmp_path / "policy.json").read_bytes() == policies
    after = tree(tmp_path / "experiments")
    assert {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)} <= {
        tmp_path / "experiments" / "run" / name for name in ("config.json", "journal.sqlite")
    }


@pytest.mark.parametrize("name", ["optimizer.safetensors", "adapters/weights/adapter_model.safetensors", "state.json"])
def test_a_checkpoint_of_the_learner_that_was_changed(configure, tmp_path, name):
    train(configure())
    path = tmp_path / "experiments/run/iteration_1/learners/lora/numeric" / name
    path.write_bytes(path.read_bytes()[:-1])
    policies, before = (tmp_path / "policy.json").read_bytes(), tree(tmp_path / "experiments" / "run" / "adapters")
    with pytest.raises(FileFormatError, match=rf"learner checkpoint .* bytes of {name} are not those saved"):
        train(configure(num_iterations=3))
    assert (tmp_path / "policy.json").read_bytes() == policies
    assert tree(tmp_path / "experiments" / "run" / "adapters") == before
    shutil.rmtree(tmp_path / "experiments/run/iteration_1/learners/lora/numeric")
    with pytest.raises(FileFormatError, match="learner checkpoint"):
        train(configure(num_iterations=3))
    assert (tmp_path / "policy.json").read_bytes() == policies


def test_a_base_model_that_is_another_by_now(configure, tmp_path):
    for update in ("text", "both"):
        model = write_lamp_model(tmp_path / "model")
        settings = {"base_model": str(model), "exp_name": update, "update": update}
        train(configure(policy_path=tmp_path / f"{update}.json", **settings))
        write_lamp_model(tmp_path / "model", seed=1)
        with pytest.raises(TextgradAgentsError, match="begun with a base model of the hash"):
            train(configure(policy_path=tmp_path / f"{update}.json", num_iterations=3, **settings))


def test_another_rank_is_said(configure, tmp_path):
    train(configure())
    with pytest.raises(ConfigError, match=r"cannot be used with base_model .* and numeric rank 4, alpha 16"):
        train(configure(exp_name="second", numeric={"max_tokens": 1, "rank": 4}))


# -- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("update", ["text", "weights", "both"])
def test_a_run_is_rebuilt_from_its_journal_and_its_model(configure, tmp_path, update):
    train(configure(update=update))
    before = tree(tmp_path / "experiments" / "run") | {
        tmp_path / "policy.json": (tmp_path / "policy.json").read_bytes()
    }
    for path in before:
        if path.name != "journal.sqlite":
            path.unlink()
    rebuild.rebuild(tmp_path / "experiments" / "run")
    others = {
        "events.jsonl",
        "journal.sqlite",
        "budget.sqlite",
        ".lock",
        "files.json",
        "state.json",
        "random.safetensors",
    }
    assert [path for path in before if path.name not in others and path.read_bytes() != before[path]] == []


def test_a_run_is_not_rebuilt_with_another_model(configure, tmp_path):
    model = write_lamp_model(tmp_path / "model")
    train(configure(base_model=str(model)))
    write_lamp_model(tmp_path / "model", seed=1)
    before = (tmp_path / "policy.json").read_bytes()
    with pytest.raises(ConfigError, match="begun with a base model of the hash"):
        rebuild.rebuild(tmp_path / "experiments" / "run")
    assert (tmp_path / "policy.json").read_bytes() == before


def test_versions_with_weights_are_shown_compared_and_published(configure, tmp_path, capsys):
    train(configure(update="weights"))
    path = ["--policy_path", str(tmp_path / "policy.json")]
    _, (first, _), (second, folder) = adapters(tmp_path / "policy.json")
    policies.main(["show", *path])
    said = capsys.readouterr().out
    assert f"weights of keeper_0, keeper_1: experiments/run/adapters/{second[:16]}\n" in said
    assert f"sha256 {second}" in said
    policies.main(["diff", *path, "1", "2"])
    assert capsys.readouterr().out == f"weights: {first[:16]} in 1, {second[:16]} in 2\n"
    policies.main(["diff", *path, "0", "1"])
    assert capsys.readouterr().out == f"weights: none in 0, {first[:16]} in 1\n"
    to = tmp_path / "elsewhere" / "published.json"
    policies.main(["publish", *path, str(to), "--description", "lamps"])
    assert adapters(to) == [(second, to.parent / "adapters" / second[:16])]
    shutil.rmtree(folder)
    policies.main(["show", *path])
    assert f"{second[:16]} (MISSING)" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="is missing; restore the folder, or publish another version"):
        policies.main(["publish", *path, str(tmp_path / "two.json"), "--description", "lamps"])
    assert not (tmp_path / "two.json").exists()
    capsys.readouterr()
    assert launch.evaluate(configure(policy_path=to), 1, NO_LIMITS) == 0
    assert f"adapter adapters/{second[:16]}" in capsys.readouterr().out


def test_doctor_looks_for_the_weights_of_a_policy_file(configure, tmp_path, capsys, monkeypatch):
    train(configure(update="weights"))
    monkeypatch.chdir(tmp_path)

    def report():
        code = doctor.main(["--policy_path", "policy.json"])
        return code, " ".join(capsys.readouterr().out.replace("│", " ").split())

    code, said = report()
    assert code == 0
    assert "policies policy.json: 3 versions, iteration_2 is current" in said
    assert "weights 2 adapters of base_model" in said
    shutil.rmtree(adapters(tmp_path / "policy.json")[1][1])
    code, said = report()
    assert code == 1
    assert "weights PROBLEM: 1 of 2 adapters are missing: experiments/run/adapters/" in said
    (tmp_path / "policy.json").write_text("{")
    code, said = report()
    assert code == 1
    assert "policies PROBLEM: policy file policy.json is not valid JSON" in said


def test_a_run_starts_from_what_was_published(configure, tmp_path):
    train(configure(num_iterations=1))
    to = tmp_path / "published.json"
    policies.main(["publish", "--policy_path", str(tmp_path / "policy.json"), str(to), "--description", "x"])
    [(published, _)] = adapters(to)
    shutil.rmtree(tmp_path / "experiments")
    train(configure(policy_path=to, num_iterations=1))
    first, last = adapters(tmp_path / "experiments" / "run" / "policy.json")
    assert first == (published, tmp_path / "experiments" / "run" / ".." / ".." / "adapters" / published[:16])
    assert last[0] != published


def test_it_is_said_who_acts_and_what_learns(configure, model):
    said = launch.announcement(configure(update="weights"))
    assert said == [
        f"agents: {model}, in this process",
        "learning: an adapter of rank 2 for all agents (dr_grpo, lr 0.01)",
        "no other model is asked",
    ]
    both = launch.announcement(configure(sampler="http://127.0.0.1:8000/v1"))
    assert both[0] == f"agents: {model}, sampled by http://127.0.0.1:8000/v1"
    assert both[1].endswith(", then the policies' texts")
    assert both[2].startswith("engine of critic and optimizer: rulebook")
    judged = configure(update="weights", numeric={"credit": "agents"}, model="gpt-4o-mini")
    assert launch.announcement(judged)[2].startswith("engine of critic: gpt-4o-mini")


def test_from_flags_to_a_run_with_weights(configure, tmp_path, model, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    parser = Parser()
    launch.add_run_flags(parser)
    settings = {name: getattr(configure(), name) for name in configure().model_fields_set - {"exp_name"}}
    settings |= {"experiments_dir": Path("experiments"), "policy_path": Path("policies/policy.json")}

    def run(*flags, **changes):
        given = {**settings, **changes}
        return launch.launch(given, parser.parse_args([*flags, "--progress", "plain"]), command="python lamps.py")

    assert run(update="weights", exp_name="run") == 0
    out, err = capsys.readouterr()
    assert f"agents: {model}, in this process\nlearning: an adapter of rank 2 for all agents" in out
    assert "weights: " in err
    assert "learned" in out
    assert "policy: policies/policy.json" in out
    assert run("--evaluate", "2") == 0
    assert "adapter ../experiments/run/adapters/" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "experiments" / "run" / "adapters")
    for flags, name in ((["--evaluate", "2"], "run"), ([], "other")):
        with pytest.raises(SystemExit) as stop:
            run(*flags, exp_name=name)
        assert stop.value.code == 2
        [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
        assert "adapters/" in line
        assert "is missing" in line
    assert not (tmp_path / "experiments" / "other").exists()


def test_a_dry_run_loads_no_model(configure, tmp_path, capsys):
    config = configure(base_model=str(tmp_path / "nowhere"))
    assert print_estimates(config, overwrite=False) == 0
    assert "optimizer" in capsys.readouterr().out
    assert print_estimates(config.replaced(update="weights"), overwrite=False) == 0
    said = capsys.readouterr().out
    assert "in all 24 calls, $0.0000" in said  # 2 iterations, 2 episodes, 3 cycles, 2 agents
    assert "optimizer" not in said
    assert not list(tmp_path.iterdir())
