"""What a config may change in the loop: mini-batches, models by role, the gate's scope, early stopping, the best."""

import json
import re

import pytest

from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.policy import read_policy_file
from training import MonteCarloTrainer, TrainingConfig
from training.dry_run import estimate
from training.engines import Engines
from training.launch import report, shortfalls

GOOD, BAD = "Press what is lit.", "Press what is dark."


def config(folder, **settings):
    return TrainingConfig(
        **{
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 4},
            "exp_name": "lamps",
            "experiments_dir": folder / "experiments",
            "policy_path": folder / "policy.json",
            "num_iterations": 2,
            "exploration": 0.0,
            "gate": "none",
            "save_gif": False,
            **settings,
        }
    )


class Model:
    """Plays by GOOD and BAD, judges, and writes the policies of a list, one per update."""

    def __init__(self, *policies):
        self.policies = policies
        self.actor, self.critic, self.optimizer = (ScriptedEngine(self.answer) for _ in range(3))
        self.seen = []

    @property
    def engines(self):
        return Engines(self.actor, self.critic, self.optimizer)

    def answer(self, messages, options):
        if options.role == "actor":
            lit = "0" if "left is lit" in messages[-1].text else "2"
            if GOOD in messages[0].text:
                return lit
            return {"0": "2", "2": "0"}[lit] if BAD in messages[0].text else "wait"
        if options.role == "critic":
            return json.dumps({f"keeper_{i}": {"score": 0.5, "feedback": f"Thought {options.seed}."} for i in range(2)})
        data = json.loads(re.search(r"```json\n(.*?)\n```", messages[-1].text, re.DOTALL)[1])
        mine = [seen for seen in self.seen if seen == data["role"]]
        self.seen.append(data["role"])
        tag = re.search(r"<(NEW_[0-9a-f]{8})>", messages[-1].text)[1]
        return f"<{tag}>{self.policies[min(len(mine), len(self.policies) - 1)]}</{tag}>"


def train(folder, *policies, **settings):
    model, events = Model(*policies), []
    with MonteCarloTrainer(config(folder, **settings), engines=model.engines, on_event=events.append) as trainer:
        return trainer.train_full(), trainer, events, model


def test_each_mini_batch_is_an_update(tmp_path):
    stats, _, events, model = train(
        tmp_path, "one", "two", "three", num_iterations=1, trajectories_per_iteration=5, mini_batch_size=2
    )
    assert (len(model.critic.calls), len(model.optimizer.calls)) == (5, 3 * 2)
    updates = [event.data for event in events if event.kind == "updated"]
    assert [one["learner"] for one in updates] == ["critic"] * 3 + ["textual"] * 3
    assert read_policy_file(tmp_path / "policy.json").current.agent_policies["keeper_0"].policy == "three"
    assert stats[0]["accepted"]
    iteration = tmp_path / "experiments" / "lamps" / "iteration_0"
    text = (iteration / "textgrad_evaluations.txt").read_text()
    assert re.findall(r"\[\d\] Episode (\d)", text) == ["0", "1", "2", "3", "4"]
    for number in range(5):
        episode = json.loads((iteration / f"episode_{number}" / "episode.json").read_text())
        assert [credit["agent"] for credit in episode["credits"]] == ["keeper_0", "keeper_1"]


def test_each_role_asks_its_own_model(tmp_path):
    _, _, _, model = train(tmp_path, "one", num_iterations=1)
    for role in ("actor", "critic", "optimizer"):
        assert {call.options.role for call in getattr(model, role).calls} == {role}


def test_training_stops_early_and_says_so(tmp_path, capsys):
    stats, trainer, events, _ = train(tmp_path, GOOD, BAD, num_iterations=9, patience=2)
    assert [round(row["avg_reward"] / 3.6, 2) for row in stats[:2]] == [-0.11, 1.0]
    assert len(stats) == 4
    assert trainer.stopped_early
    assert not trainer.stopped
    [event] = [event for event in events if event.kind == "stopped_early"]
    assert event.data == {"patience": 2, "best_iteration": 1, "best_avg_reward": stats[1]["avg_reward"]}
    assert {(row["best_iteration"], row["best_avg_reward"]) for row in stats[1:]} == {(1, stats[1]["avg_reward"])}
    again, trainer, _, model = train(tmp_path, GOOD, BAD, num_iterations=9, patience=2)
    assert again == stats
    assert trainer.stopped_early
    assert not model.actor.calls
    report(trainer, again, "the command")
    said = capsys.readouterr().out
    assert "stopped early: no better mean return than 3.6 of iteration 1 in the last 2 iterations" in said
    assert "best policies: iteration_1 of the policy file, mean return 3.6" in said
    assert "to go on" not in said
    more, trainer, _, _ = train(tmp_path, BAD, num_iterations=6, patience=9)
    assert len(more) == 6
    assert not trainer.stopped_early


def test_the_best_policies_are_kept_and_returned_to_if_wanted(tmp_path):
    _, trainer, _, _ = train(tmp_path, GOOD, BAD, num_iterations=4, restore_best=True)
    file = read_policy_file(tmp_path / "policy.json")
    assert file.current_iteration == trainer.best().updates == 1
    assert len(file.policies) == 5
    best = read_policy_file(trainer.results()["best policy"])
    assert best.published
    assert best.description.startswith("mean return 3.6, the best of 4 iterations of lamps")
    assert best.current.agent_policies == file.current.agent_policies
    assert best.current.agent_policies["keeper_1"].policy == GOOD


def test_going_on_after_the_best_was_restored_is_going_on_from_the_last(tmp_path):
    for name, parts in (("at once", [4]), ("in parts", [2, 3, 4])):
        (tmp_path / name).mkdir()
        for number in parts:
            train(tmp_path / name, BAD, num_iterations=number, restore_best=True)
    one, two = (
        re.sub(r'"timestamp": "[^"]*"', '"timestamp": ""', (tmp_path / name / "policy.json").read_text())
        for name in ("at once", "in parts")
    )
    assert json.loads(one)["current_iteration"] == 0
    assert one == two


def test_the_gate_may_decide_agent_by_agent_and_tells_its_evidence(tmp_path):
    stats, _, events, _ = train(tmp_path, GOOD, num_iterations=1, gate="sequential", gate_scope="agent")
    decisions = [event.data for event in events if event.kind == "gate_decided"]
    assert [one["agents"] for one in decisions] == [["keeper_0"], ["keeper_1"]]
    for one in decisions:
        assert one["accepted"]
        assert one["e_value"] >= 20
        assert one["pairs"] >= 5
        assert one["gain"] > 0
        assert one["failed_episodes"] == 0
    assert stats[0]["gain"] == pytest.approx(sum(one["gain"] for one in decisions))
    assert stats[0]["decision"].startswith("accepted for keeper_0, keeper_1; kept")
    gate = tmp_path / "experiments" / "lamps" / "iteration_0" / "gate"
    assert sorted(path.name for path in gate.iterdir()) == ["gate.json", "gate_2.json"]


def test_what_cannot_be_used_is_counted_and_told_as_events(tmp_path):
    def answer(messages, options):
        if options.role == "actor":
            return "I would rather not say."
        if options.role == "critic":
            return json.dumps({"keeper_0": {"score": 0.1, "feedback": "mine\n[KEEPER_1 EVALUATION] not mine"}})
        return ""

    events = []
    engines = Engines.single(ScriptedEngine(answer))
    with MonteCarloTrainer(config(tmp_path, num_iterations=1), engines=engines, on_event=events.append) as trainer:
        [row] = trainer.train_full()
    assert row["parse_failures"] == 3 * 4 * 2
    assert row["missing_credit"] == 3
    assert row["foreign_sections"] == 3
    assert row["unusable_proposals"] == 1
    assert not row["accepted"]
    assert sum(event.data["parse_failures"] for event in events if event.kind == "episode_finished") == 24
    assert shortfalls([row, row]) == [
        "48 replies named no action (the neutral one was taken)",
        "6 judgements of an agent are missing (no feedback)",
        "6 sections about another agent were cut out of what the critic said",
        "2 proposals could not be used (the policy stays)",
    ]
    assert [event.data["missing"] for event in events if event.kind == "evaluation_finished"] == [["keeper_1"]] * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"mini_batch_size": 2, "trajectories_per_iteration": 3},
        {"gate": "sequential", "gate_scope": "agent", "gate_episodes": 5},
        {"mini_batch_size": 1, "credit_summary": True, "gate": "mean", "gate_episodes": 2, "gate_scope": "agent"},
    ],
)
def test_no_run_asks_more_than_the_dry_run_said(tmp_path, settings):
    _, trainer, _, model = train(tmp_path, GOOD, BAD, "three", "four", num_iterations=1, **settings)
    for one in estimate(config(tmp_path, **settings), Engines.single(model.actor), 1):
        assert trainer.meter.tally(one.role).calls <= one.calls
