"""What evidence changes in rules; and that nothing is known beforehand: with left and right exchanged it learns too."""

import asyncio
import os
import re
import statistics

import pytest

from textgrad_agents import RulebookEngine
from textgrad_agents.engines.rulebook.evidence import Gain, SituationRow
from textgrad_agents.engines.rulebook.grammar import Rule
from textgrad_agents.engines.rulebook.learning import best_action, improve
from textgrad_agents.interfaces import DEFAULT_OPTIONS
from textgrad_agents.messages import Completion, Message
from training import MonteCarloTrainer, TrainingConfig
from training.acting import LanguageTeam
from training.engines import Engines
from training.policy_manager import DEFAULT_POLICY
from training.rollout import rollout

SIDES = {"left": "right", "right": "left"}


def swapped(text):
    return re.sub("left|right", lambda found: SIDES[found[0]], text)


class Swapped(RulebookEngine):
    """The engine as it is, in a world of which it reads and writes left as right."""

    def __init__(self):
        self.read, self.written = set(), set()

    async def generate(self, messages, options=DEFAULT_OPTIONS):
        given = [Message(role=message.role, content=swapped(message.text)) for message in messages]
        said = await super().generate(given, options)
        for heard, text in ((self.read, given[-1].text), (self.written, said.text)):
            heard.update(re.findall("left|right", text))
        return Completion(swapped(said.text), usage=said.usage, model=said.model)


def returns(config, engine, policies, episodes):
    """Mean return over fresh episodes, without exploration."""
    environment = config.environment.make()
    team = LanguageTeam(environment, policies, engine, 0.0)
    played = [asyncio.run(rollout(environment, team, (99, "fresh", i), record=False)) for i in range(episodes)]
    return statistics.fmean(one.total_reward for one in played)


def trained(folder, engine, episodes, **settings):
    """Mean returns before and after training."""
    config = TrainingConfig(
        exp_name="run",
        experiments_dir=folder / "experiments",
        policy_path=folder / "policy.json",
        num_iterations=3,
        trajectories_per_iteration=3,
        save_gif=False,
        **settings,
    )
    with MonteCarloTrainer(config, engines=Engines.single(engine)) as trainer:
        trainer.train_full()
        policies = trainer.policy_manager.get_current_policies()
    untrained = dict.fromkeys(policies, DEFAULT_POLICY)
    return returns(config, engine, untrained, episodes), returns(config, engine, policies, episodes)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def row(*clauses, **gains):
    return SituationRow(clauses, {action: Gain(*gain) for action, gain in gains.items()})


def test_actions_are_compared_within_situations():
    """Over all situations together `go` would look better; in each of them `stay` is."""
    rows = [row("a", stay=(90, -4.0, 0.5), go=(30, -5.0, 0.5)), row("b", stay=(30, 6.0, 0.5), go=(90, 5.0, 0.5))]
    best = best_action(rows)
    assert best.action == "stay"
    assert best.difference == pytest.approx(1.0)
    assert best.decisions == 240
    pairs = 2 * (90 * 30 / 120) ** 2 * (0.25 / 90 + 0.25 / 30)  # variance of the two differences, weighted
    assert best.lead == pytest.approx(2 * (90 * 30 / 120) / pairs**0.5)


def test_an_action_is_compared_with_a_rival_alone():
    rows = [row("a", stay=(40, 1.0, 0.5), go=(40, 0.0, 0.5), sing=(40, -9.0, 0.5))]
    assert best_action(rows, "stay").action == "go"
    assert best_action(rows, "stay").difference == pytest.approx(-1.0)
    assert best_action(rows, "sing").action == "stay"


def test_what_cannot_be_compared_is_not():
    assert best_action([]) is None
    assert best_action([row("a", stay=(400, 1.0, 0.5))]) is None
    assert best_action([row("a", stay=(400, 1.0, 0.5)), row("b", go=(400, 0.0, 0.5))]) is None
    assert best_action([row("a", stay=(400, 1.0, 0.5), go=(1, 0.0, 0.0))]) is None


def test_a_general_rule_is_made_where_all_situations_under_it_agree():
    rows = [row("a", detail, stay=(40, 1.0, 0.5), go=(40, 0.0, 0.5)) for detail in ("x", "y", "z")]
    result = improve([], rows)
    assert result.additions == (Rule(("a",), "stay"),)
    assert len(result.reasons) == 1


def test_rules_about_what_the_evidence_does_not_tell_of_stay():
    rules = [Rule(("elsewhere",), "go"), Rule(("a",), "dance"), Rule(("a",), "go")]
    result = improve(rules, [row("a", stay=(40, 1.0, 0.5), go=(40, 0.0, 0.5))])
    assert result.rules[0] == rules[0]
    assert Rule(("a",), "stay") in result.rules + result.additions


def test_nothing_changes_twice_by_the_same_evidence():
    rows = [
        row("a", "x", stay=(40, 1.0, 0.5), go=(40, 0.0, 0.5)),
        row("a", "y", stay=(60, -3.0, 0.5), go=(60, 3.0, 0.5)),
    ]
    first = improve([], rows)
    again = improve(first.additions, rows)
    assert first.reasons
    assert again.rules == first.additions
    assert not again.reasons
    assert not again.additions


def test_names_of_actions_are_words():
    """With the names exchanged, the rules are those with the names exchanged."""
    rows = [row("a", stay=(40, 1.0, 0.5), go=(40, 0.0, 0.5)), row("b", stay=(40, 0.0, 0.5), go=(40, 1.0, 0.5))]
    names = {"stay": "go", "go": "stay"}
    mirrored = [SituationRow(one.clauses, {names[name]: gain for name, gain in one.gains.items()}) for one in rows]
    exchanged = tuple(Rule(rule.clauses, names[rule.action]) for rule in improve([], rows).additions)
    assert len(exchanged) == 2
    assert improve([], mirrored).additions == exchanged


def test_it_learns_lamps_as_well_with_left_and_right_exchanged(tmp_path):
    results = {"plain": [], "exchanged": []}
    for seed in range(3):
        for name in results:
            engine = Swapped() if name == "exchanged" else RulebookEngine()
            folder = tmp_path / f"{name} {seed}"
            folder.mkdir()
            lamps = {"name": "lamps", "num_agents": 2, "max_cycles": 24}
            results[name].append(trained(folder, engine, 10, environment=lamps, seed=seed))
            if name == "exchanged":
                assert engine.read == engine.written == {"left", "right"}
    before = {name: statistics.fmean(pair[0] for pair in pairs) for name, pairs in results.items()}
    after = {name: statistics.fmean(pair[1] for pair in pairs) for name, pairs in results.items()}
    assert all(after[name] > before[name] + 12 for name in results), results
    assert after["exchanged"] == pytest.approx(after["plain"], abs=4), results


def test_it_learns_pistonball_with_left_and_right_exchanged(tmp_path):
    results = []
    for seed in range(2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        results.append(trained(folder, Swapped(), 6, num_pistons=10, seed=seed))
    assert max(after - before for before, after in results) > 40, results
