"""Limits of a run: refused if they cannot be kept, a clean stop when they are reached, and on from there."""

import json
import re

import pytest

from textgrad_agents.engines import RulebookEngine
from textgrad_agents.errors import BudgetError, ConfigError, EngineError
from textgrad_agents.messages import Usage
from training import MonteCarloTrainer, TrainingConfig
from training.dry_run import estimate
from training.engines import NO_LIMITS, Engines, Limits
from training.runs import RunFolder


class Paid:
    """Says what the built-in engine says, for money; after `failing` calls it is down."""

    name = "paid"

    def __init__(self, failing=None):
        self.calls = 0
        self.failing = failing
        self.inner = RulebookEngine()

    def cost(self, usage):
        return usage.input_tokens * 1e-6 + usage.output_tokens * 4e-6

    def most_usage(self, messages, options):
        return Usage(sum(len(message.text) for message in messages), 2_000)

    async def generate(self, messages, options):
        self.calls += 1
        if self.failing is not None and self.calls > self.failing:
            raise EngineError("the server is down")
        return await self.inner.generate(messages, options)


class Unpriced(Paid):
    def cost(self, usage):
        return None


def config(folder, **settings):
    folder.mkdir(exist_ok=True)
    return TrainingConfig(
        **{
            "environment": {"name": "lamps", "num_agents": 2, "max_cycles": 12},
            "exp_name": "lamps",
            "experiments_dir": folder / "experiments",
            "policy_path": folder / "policy.json",
            "num_iterations": 2,
            "seed": 4,
            "save_gif": False,
            **settings,
        }
    )


def train(folder, paid, limits=NO_LIMITS, **settings):
    with MonteCarloTrainer(config(folder, **settings), engines=Engines.single(paid), limits=limits) as trainer:
        stats = trainer.train_full()
        return trainer, stats, trainer.engines.budget.spent()


def results(folder):
    summary = (folder / "experiments" / "lamps" / "summary.json").read_text()
    return summary, re.sub(r'"timestamp": "[^"]*"', "", (folder / "policy.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder, paid = tmp_path_factory.mktemp("whole"), Paid()
    _, stats, spent = train(folder, paid)
    assert spent.calls == paid.calls
    assert spent.usd == pytest.approx(sum(row["cost_usd"] for row in stats))
    return results(folder), paid.calls, spent


def test_stopped_by_calls_again_and_again_it_ends_the_same_and_pays_for_nothing_twice(tmp_path, whole):
    end, calls, _ = whole
    paid, most = Paid(), 0
    while True:
        most += 71
        trainer, _, spent = train(tmp_path, paid, Limits(calls=most))
        if not trainer.stopped:
            break
        assert re.match(f"the budget of {most} calls is spent; .* with a larger budget", str(trainer.limit_reached))
        assert spent.calls == paid.calls == most
    assert results(tmp_path) == end
    assert paid.calls == spent.calls == calls


def test_stopped_by_dollars_it_stays_below_and_goes_on(tmp_path, whole):
    end, calls, spent = whole
    paid, limit = Paid(), spent.usd / 2
    trainer, _, half = train(tmp_path, paid, Limits(usd=limit))
    assert trainer.stopped
    assert isinstance(trainer.limit_reached, BudgetError)
    assert 0.8 * limit < half.usd <= limit
    again, _, _ = train(tmp_path, paid, Limits(usd=limit))
    assert again.stopped
    trainer, _, all_of_it = train(tmp_path, paid)
    assert not trainer.stopped
    assert results(tmp_path) == end
    assert (paid.calls, all_of_it.usd) == (calls, spent.usd)


def test_no_hours_are_left(tmp_path):
    paid = Paid()
    trainer, stats, _ = train(tmp_path, paid, Limits(hours=1e-9))
    assert trainer.stopped
    assert stats == []
    assert "hours of the run are over" in str(trainer.limit_reached)
    assert paid.calls == 0


def test_the_built_in_engine_has_an_account_only_if_there_is_a_limit(tmp_path):
    with MonteCarloTrainer(config(tmp_path)) as trainer:
        assert trainer.engines.budget is None
        trainer.train_full()
    assert not (tmp_path / "experiments" / "lamps" / "budget.sqlite").exists()
    with MonteCarloTrainer(config(tmp_path, num_iterations=3), limits=Limits(calls=10)) as trainer:
        assert len(trainer.train_full()) == 2
        assert trainer.stopped


def test_a_failure_loses_no_reply_that_was_on_its_way(tmp_path, whole):
    end, calls, _ = whole
    failing = Paid(failing=100)
    with pytest.raises(EngineError, match="the server is down"):
        train(tmp_path, failing)
    paid = Paid()
    train(tmp_path, paid)
    assert results(tmp_path) == end
    assert paid.calls == calls - 100


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(usd=1.0), "the price of paid is not known, so a budget in USD cannot be kept"),
        (Limits(usd=float("nan")), "a budget must be a number above 0, got usd=nan"),
        (Limits(calls=0), "a budget must be a number above 0, got calls=0"),
        (Limits(hours=-1.0), "a budget must be a number above 0, got hours=-1"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused_before_anything_is_made(tmp_path, limits, said):
    with pytest.raises(ConfigError, match=said):
        MonteCarloTrainer(config(tmp_path), engines=Engines.single(Unpriced()), limits=limits)
    assert list(tmp_path.iterdir()) == []


# -- dry runs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paradigm", ["central_credit", "central_global", "independent"])
@pytest.mark.parametrize("gate", ["sequential", "mean", "none"])
def test_no_run_uses_more_calls_than_the_dry_run_said(tmp_path, paradigm, gate):
    settings = {"paradigm": paradigm, "gate": gate, "gate_episodes": 5}
    most = {one.role: one for one in estimate(config(tmp_path, **settings), Engines.single(Paid()), 2)}
    assert list(tmp_path.iterdir()) == []
    _, stats, _ = train(tmp_path, Paid(), **settings)
    for role, one in most.items():
        used = [row["by_role"][role] for row in stats]
        assert 0 < sum(row["calls"] for row in used) <= one.calls
        assert sum(row["output_tokens"] for row in used) <= one.output_tokens
        assert sum(row["cost_usd"] for row in used) <= one.usd
    if gate == "mean":
        assert most["actor"].calls == 2 * 2 * 12 * (3 + 2 * 5)
    if gate == "none":
        assert most["actor"].calls == sum(row["by_role"]["actor"]["calls"] for row in stats)
    assert most["critic"].calls == sum(row["by_role"]["critic"]["calls"] for row in stats)


def test_an_unknown_price_is_no_price_of_nothing(tmp_path):
    assert {one.usd for one in estimate(config(tmp_path), Engines.single(Unpriced()), 1)} == {None}


def test_one_account_for_all_starts(tmp_path):
    paid = Paid()
    _, _, first = train(tmp_path, paid, Limits(calls=30))
    _, _, second = train(tmp_path, paid, Limits(calls=50))
    assert (first.calls, second.calls) == (30, 50)
    with RunFolder.open(config(tmp_path), overwrite=True) as run:
        assert not (run.path / "budget.sqlite").exists()


def test_usage_by_role_is_in_the_summary(tmp_path, whole):
    rows = json.loads(whole[0][0])
    for row in rows:
        assert row["input_tokens"] == sum(one["input_tokens"] for one in row["by_role"].values())
        assert row["cost_usd"] == pytest.approx(sum(one["cost_usd"] for one in row["by_role"].values()))
