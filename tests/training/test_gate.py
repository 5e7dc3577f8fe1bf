"""The gate: paired episodes, early decisions, evidence that is kept."""

import asyncio
import json

import pytest

from envs.lamps import LampsEnvironment
from textgrad_agents.engines import Meter, Metered, ScriptedEngine
from textgrad_agents.errors import ConfigError, EnvError
from training.collect import Collector
from training.gate import AlwaysAccept, PairedGate

GOOD = {"keeper_0": "press lit"}
BAD = {"keeper_0": "press dark"}
SAME = {"keeper_0": "press lit, said otherwise"}


def act(messages, options):
    lit = "0" if "left is lit" in messages[-1].text else "2"
    return lit if "press lit" in messages[0].text else {"0": "2", "2": "0"}[lit]


class Table:
    """A gate over one-keeper lamps whose policies are understood by `act`."""

    def __init__(self, folder, environment=LampsEnvironment, **options):
        self.meter = Meter()
        engine = Metered(ScriptedEngine(act), self.meter)
        self.folder = folder
        collector = Collector(lambda: environment(num_agents=1, max_cycles=2), engine)
        settings = {"max_pairs": 12, "alpha": 0.05, "sequential": True, **options}
        self.gate = PairedGate(collector, lambda iteration: folder / f"iteration_{iteration}" / "gate", **settings)

    def judge(self, incumbent, candidate, iteration=0):
        return asyncio.run(self.gate.judge(incumbent, candidate, iteration))

    def record(self, iteration=0, name="gate.json"):
        return json.loads((self.folder / f"iteration_{iteration}" / "gate" / name).read_text())

    @property
    def episodes(self):
        return self.meter.tally().calls // 2


def test_a_clearly_better_team_is_accepted_early(tmp_path):
    table = Table(tmp_path)
    verdict = table.judge(BAD, GOOD)
    assert verdict.accepted
    assert verdict.score == pytest.approx(2 * 0.9)
    pairs = table.record()["pairs"]
    assert len(pairs) < 12
    assert pairs[-1]["e_value"] >= 20 > pairs[-2]["e_value"]
    assert verdict.episodes == table.episodes == 2 * len(pairs)


def test_a_clearly_worse_team_is_refused_early(tmp_path):
    table = Table(tmp_path)
    verdict = table.judge(GOOD, BAD)
    assert not verdict.accepted
    assert verdict.episodes < 24
    assert verdict.score == pytest.approx(2 * 0.9)


def test_an_equal_team_never_replaces_the_incumbent(tmp_path):
    assert not Table(tmp_path).judge(GOOD, SAME).accepted


def test_a_score_is_not_paid_for_twice(tmp_path):
    table = Table(tmp_path, max_pairs=2, sequential=False)
    table.judge(GOOD, BAD)
    assert table.episodes == 4
    table.judge(GOOD, SAME)
    assert table.episodes == 6


def test_evidence_about_the_same_pair_of_teams_is_carried_on(tmp_path):
    table = Table(tmp_path)
    table.judge(GOOD, SAME, 0)
    first = len(table.record(0)["pairs"])
    assert 0 < first < 12
    table.judge(GOOD, SAME, 1)
    later = table.record(1)
    assert later["pairs_before"] == first
    assert len(later["pairs"]) < 12


def test_the_same_question_again_in_an_iteration_plays_other_episodes_and_has_a_record_of_its_own(tmp_path):
    table = Table(tmp_path)
    first = table.judge(GOOD, SAME)
    again = table.judge(GOOD, SAME)
    one, two = table.record(), table.record(name="gate_2.json")
    assert [row["pair"] for row in one["pairs"] + two["pairs"]] == list(range(again.pairs))
    assert two["pairs_before"] == first.pairs == len(one["pairs"])
    assert table.episodes == 2 * again.pairs


def test_a_verdict_tells_its_evidence(tmp_path):
    verdict = Table(tmp_path).judge(BAD, GOOD)
    pairs = Table(tmp_path).record()["pairs"]
    assert verdict.pairs == len(pairs)
    assert verdict.e_value == pairs[-1]["e_value"] >= 20
    assert verdict.gain == pytest.approx(sum(row["candidate"] - row["incumbent"] for row in pairs) / len(pairs))


def test_a_gate_that_goes_on_from_a_state_decides_as_the_one_that_it_is_of(tmp_path):
    one, other = Table(tmp_path / "one"), Table(tmp_path / "other")
    one.judge(GOOD, SAME, 0)
    other.gate.restore(json.loads(json.dumps(one.gate.state())))
    assert one.judge(GOOD, SAME, 1) == other.judge(GOOD, SAME, 1)
    assert one.record(1) == other.record(1)
    assert other.record(1)["pairs_before"] > 0
    assert one.gate.state() == other.gate.state()


def test_a_decision_that_was_broken_off_leaves_no_evidence(tmp_path):
    def stop(row):
        raise KeyboardInterrupt

    table = Table(tmp_path, done=stop)
    with pytest.raises(KeyboardInterrupt):
        table.judge(GOOD, SAME)
    assert table.gate.state() == []


def test_a_gate_that_could_accept_nothing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"gate_episodes 4 are too few for alpha 0\.05: .* at least 5"):
        Table(tmp_path, max_pairs=4)
    assert Table(tmp_path, max_pairs=5).judge(BAD, GOOD).accepted


def test_mean_plays_all_pairs(tmp_path):
    table = Table(tmp_path, max_pairs=4, sequential=False)
    verdict = table.judge(BAD, GOOD)
    assert verdict.accepted
    assert verdict.episodes == 8
    assert not table.judge(GOOD, SAME, 1).accepted


class Breaks(LampsEnvironment):
    """Fails in every episode."""

    def step(self, actions):
        raise EnvError("dark")


def test_episodes_that_fail_are_no_evidence(tmp_path):
    verdict = Table(tmp_path, environment=Breaks, max_pairs=5).judge(BAD, GOOD)
    assert not verdict.accepted
    assert "failed in every test episode" in verdict.reason
    assert (verdict.pairs, verdict.gain, verdict.failed, verdict.episodes) == (0, None, 10, 10)


def test_no_gate_accepts(tmp_path):
    assert asyncio.run(AlwaysAccept().judge(GOOD, BAD, 0)).accepted
