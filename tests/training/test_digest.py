"""The digest against slow counts in plain Python and a general solver of least squares."""

import asyncio
import math
import random
import re
import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from envs import make
from textgrad_agents import TGD, Gradient, RulebookEngine, Variable
from textgrad_agents.engines.rulebook.evidence import read_agents, read_tables, split_clauses
from textgrad_agents.trajectory import Cycle, Episode, Step, Trajectory
from training.acting import LanguageTeam
from training.digest import WINDOW, digest, narrative, tabulate
from training.rollout import rollout


def record(name="lamps", decision_interval=1, **parameters):
    environment = make(name, **parameters)
    team = LanguageTeam(environment, dict.fromkeys(environment.agents, "None."), RulebookEngine(), 1.0)
    return asyncio.run(rollout(environment, team, (0, "train", 0, 0), decision_interval=decision_interval))


def written(rewards, agents=("a",), situation="it rains", earned=None):
    """An episode with these team rewards; each agent acts in turn with go, stay, go, …"""
    trajectories = [
        Trajectory(
            agent,
            tuple(
                Step(
                    agent=agent,
                    timestep=t,
                    observation=f"I see.\nSituation: {situation}" if situation else "I see.",
                    action=t % 2,
                    action_name=("go", "stay")[t % 2],
                    reward=earned[agent][t] if earned else reward,
                )
                for t, reward in enumerate(rewards)
            ),
        )
        for agent in agents
    ]
    cycles = [Cycle(t, f"State {t}.", {"t": t}, reward) for t, reward in enumerate(rewards)]
    return Episode(
        trajectories=tuple(trajectories), cycles=tuple(cycles), total_reward=sum(rewards), length=len(rewards)
    )


def acting(rewards, stays):
    """An episode of one agent with these rewards, in which it stays or goes."""
    episode = written(rewards)
    [trajectory] = episode.trajectories
    steps = tuple(
        replace(step, action_name="stay" if stay else "go") for step, stay in zip(trajectory.steps, stays, strict=True)
    )
    return replace(episode, trajectories=(Trajectory("a", steps),))


def expected_gains(rewards, window=WINDOW):
    """Where the mean reward of the next cycles, minus a line through the rewards before, stands among all of them."""
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    following = [statistics.fmean(rewards[t : t + window]) for t in range(len(rewards))]
    before = [statistics.fmean(rewards[:-1]), *rewards[:-1]]
    design = np.column_stack([np.ones(len(rewards)), before])
    line, *_ = np.linalg.lstsq(design, np.array(following), rcond=None)
    unexpected = (np.array(following) - design @ line) / max(1e-9, *map(abs, rewards))
    values = [round(one, 9) for one in unexpected.tolist()]
    return [100 * statistics.fmean((other < one) + (other == one) / 2 for other in values) - 50 for one in values]


def slow_table(episode, agents, window=WINDOW):
    """What `tabulate` says of a role, counted one by one: situation -> action -> (count, mean, spread)."""
    gains = expected_gains([cycle.reward for cycle in episode.cycles], window)
    cells = {}
    for step in episode.steps():
        if step.agent in agents and step.observation:
            situation = split_clauses(step.situation or "")
            cells.setdefault(situation, {}).setdefault(step.action_name, []).append(gains[step.timestep])
    return {
        situation: {name: (len(them), statistics.fmean(them), statistics.pstdev(them)) for name, them in row.items()}
        for situation, row in cells.items()
    }


def as_numbers(table):
    return {
        row.clauses: {name: (gain.count, gain.mean, gain.spread) for name, gain in row.gains.items()}
        for row in table.rows
    }


def assert_same_table(table, slow):
    fast = as_numbers(table)
    assert fast.keys() == slow.keys()
    for situation, row in slow.items():
        assert fast[situation].keys() == row.keys()
        for name, numbers in row.items():
            assert fast[situation][name] == pytest.approx(numbers, abs=1e-10)


EPISODES = {
    "lamps": {"num_agents": 3, "max_cycles": 60},
    "pistonball": {"num_pistons": 5, "max_cycles": 40},
}


@pytest.fixture(scope="module", params=list(EPISODES))
def episode(request):
    return record(request.param, **EPISODES[request.param])


@pytest.mark.parametrize("window", [1, 4, 100])
def test_the_table_is_what_a_slow_count_gives(episode, window):
    roles = dict.fromkeys(episode.agents, "member")
    [table] = tabulate(episode, roles=roles, window=window).roles
    assert table.agents == episode.agents
    assert table.decisions == len(episode.agents) * episode.length
    assert_same_table(table, slow_table(episode, episode.agents, window))


def test_each_role_has_its_own_table_and_agents_without_one_their_own(episode):
    first, second, *others = episode.agents
    tables = tabulate(episode, roles={first: "x", others[-1]: "x"}).roles
    assert tables[0].role == "x"
    assert tables[0].agents == (first, others[-1])
    assert tables[1].role == second
    for table in tables:
        assert_same_table(table, slow_table(episode, table.agents))


def test_rows_and_actions_are_in_order(episode):
    for table in tabulate(episode, roles=dict.fromkeys(episode.agents, "member")).roles:
        sizes = [sum(gain.count for gain in row.gains.values()) for row in table.rows]
        assert sizes == sorted(sizes, reverse=True)
        for row in table.rows:
            means = [gain.mean for gain in row.gains.values()]
            assert means == sorted(means, reverse=True)


def test_agents_are_compared_with_choosing_blindly(episode):
    table = tabulate(episode, roles=dict.fromkeys(episode.agents, "member"))
    cells = slow_table(episode, episode.agents)
    for row, trajectory in zip(table.agents, episode.trajectories, strict=True):
        worth, best, worst = [], [], []
        for step in trajectory.steps:
            means = {name: numbers[1] for name, numbers in cells[split_clauses(step.situation or "")].items()}
            blind = statistics.fmean(means.values())
            worth.append(means[step.action_name] - blind)
            best.append(max(means.values()) - blind)
            worst.append(min(means.values()) - blind)
        assert row.agent == trajectory.agent
        assert row.decisions == len(trajectory.steps)
        slow = [statistics.fmean(them) for them in (worth, best, worst)]
        assert [row.worth, row.best, row.worst] == pytest.approx(slow, abs=1e-10)
        assert -1 <= row.score <= 1


def test_what_is_written_is_what_was_counted(episode):
    roles = dict.fromkeys(episode.agents, "member")
    text, table = digest(episode, roles=roles), tabulate(episode, roles=roles)
    [read] = read_tables(text)
    assert read.agents == episode.agents
    assert read.decisions == table.roles[0].decisions
    assert list(as_numbers(read)) == list(as_numbers(table.roles[0]))
    for situation, row in as_numbers(table.roles[0]).items():
        for name, numbers in row.items():
            assert as_numbers(read)[situation][name] == pytest.approx(numbers, rel=1e-3)
    for row in table.agents:
        found = read_agents(text)[row.agent]
        assert (found.worth, found.best, found.worst) == pytest.approx((row.worth, row.best, row.worst), rel=1e-3)


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100).map(lambda number: round(number, 3)), min_size=1, max_size=40), st.integers(1, 9))
def test_gains_are_standings_of_the_residuals_of_least_squares(rewards, window):
    assume(len(rewards) < 3 or len(set(rewards[:-1])) > 1)  # rewards that never change have tests of their own
    [table] = tabulate(written(rewards), roles={}, window=window).roles
    gains = expected_gains(rewards, window)
    for name, number in (("go", 0), ("stay", 1)):
        if mine := gains[number::2]:
            gain = table.rows[0].gains[name]
            assert gain.count == len(mine)
            assert gain.mean == pytest.approx(statistics.fmean(mine), abs=1e-7)
            assert gain.spread == pytest.approx(statistics.pstdev(mine), abs=1e-6)


def test_what_was_going_on_anyway_is_taken_out():
    """Rewards that wander, whoever does what: no action is praised for being taken when all goes well."""
    chance, rewards = random.Random(0), [0.0]
    while len(rewards) < 300:
        rewards.append(0.95 * rewards[-1] + chance.gauss(0, 1))
    went_well = [t > 0 and rewards[t - 1] > 0 for t in range(len(rewards))]
    gains = tabulate(acting(rewards, went_well), roles={}, window=2).roles[0].rows[0].gains
    assert all(abs(gain.mean) < 5 for gain in gains.values())
    followed = {well: [r for r, w in zip(rewards, went_well, strict=True) if w == well] for well in (True, False)}
    assert min(map(statistics.fmean, followed.values())) < -1 < 1 < max(map(statistics.fmean, followed.values()))


def test_what_an_action_added_is_left_in():
    chance = random.Random(1)
    stays = [chance.random() < 0.5 for _ in range(300)]
    rewards = [chance.gauss(0, 0.1) + stay for stay in stays]  # staying earns 1 at once: half of all stands above half
    gains = tabulate(acting(rewards, stays), roles={}, window=1).roles[0].rows[0].gains
    assert gains["stay"].mean - gains["go"].mean == pytest.approx(50, abs=1)


def test_a_few_large_rewards_do_not_drown_the_rest():
    chance = random.Random(2)
    stays = [chance.random() < 0.5 for _ in range(300)]
    rewards = [chance.gauss(0, 0.1) + 0.1 * stay for stay in stays]
    before = tabulate(acting(rewards, stays), roles={}, window=1).roles[0].rows[0].gains
    for t in range(10, 300, 60):
        rewards[t] = -1000.0
    after = tabulate(acting(rewards, stays), roles={}, window=1).roles[0].rows[0].gains
    assert before["stay"].mean > 10
    assert after["stay"].mean == pytest.approx(before["stay"].mean, abs=3)


@given(st.lists(st.integers(-9, 9), min_size=2, max_size=30), st.sampled_from([0.001, 3.0, 1e6]))
def test_the_unit_of_the_reward_does_not_matter(rewards, unit):
    gains, scaled = (
        tabulate(written([scale * reward for reward in rewards]), roles={}).roles[0].rows[0].gains
        for scale in (1.0, unit)
    )
    for name, gain in gains.items():
        assert (scaled[name].count, scaled[name].mean) == (gain.count, pytest.approx(gain.mean, abs=1e-6))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("reward", [0.0, -0.1, 0.3, 1e6])
def test_short_episodes_and_rewards_that_never_change_give_numbers(length, reward):
    episode = written([reward] * length, agents=("a", "b"))
    table = tabulate(episode, roles={})
    numbers = [gain[1:] for one in table.roles for row in as_numbers(one).values() for gain in row.values()]
    numbers += [(row.worth, row.best, row.worst, row.score) for row in table.agents]
    assert all(math.isfinite(number) for some in numbers for number in some)
    text = digest(episode, roles={})
    assert "nan" not in text.lower()
    assert not re.search(r"\binf\b", text)


@pytest.mark.parametrize(("length", "reward"), [(2, -0.1), (3, -0.1), (50, -0.1), (125, 0.3), (50, 0.0), (50, 1e6)])
def test_a_reward_that_never_changes_is_no_gain(length, reward):
    [table] = tabulate(written([reward] * length), roles={}).roles
    gains = [gain for row in table.rows for gain in row.gains.values()]
    assert sum(gain.count for gain in gains) == length
    assert max(abs(gain.mean) + gain.spread for gain in gains) < 1e-9 * max(1.0, abs(reward))


@pytest.mark.parametrize("reward", [0.0, -0.1])
def test_nothing_is_learned_from_a_reward_that_never_changes(reward):
    policy = Variable("None.", role_description="policy of a", name="a")
    for _ in range(3):
        policy.add_gradient(Gradient(text=digest(written([reward] * 50), roles={})))
    TGD([policy], engine=RulebookEngine()).step()
    assert policy.value == "None."


def test_an_episode_of_nobody():
    assert tabulate(Episode(), roles={}).agents == ()
    assert "Agents (0)" in digest(Episode(), roles={})


def test_without_situations_all_decisions_stand_in_one_row():
    rewards = [1.0, 0.0, 3.0, 0.0, 1.0, 0.5]
    episode = written(rewards, situation="")
    text = digest(episode, roles={})
    assert "- Where no situation is named: " in text
    [table] = read_tables(text)
    [row] = table.rows
    assert row.clauses == ()
    assert_same_table(tabulate(episode, roles={}).roles[0], slow_table(episode, ("a",)))


def test_cycles_in_which_an_action_just_went_on_are_no_decisions():
    episode = record("lamps", decision_interval=4, num_agents=2, max_cycles=40)
    table = tabulate(episode, roles=dict.fromkeys(episode.agents, "keeper"))
    assert table.roles[0].decisions == 2 * 10
    assert [row.decisions for row in table.agents] == [10, 10]
    assert_same_table(table.roles[0], slow_table(episode, episode.agents))


def test_where_agents_earn_differently_each_is_counted_by_its_own():
    earned = {"a": [1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 3.0, 0.5], "b": [0.0, 1.0, 0.0, 2.0, 0.0, 2.5, 0.0, 1.0]}
    team = [statistics.fmean(pair) for pair in zip(*earned.values(), strict=True)]
    episode = written(team, agents=("a", "b"), earned=earned)
    table = tabulate(episode, roles=dict.fromkeys("ab", "player"), window=1)
    assert not table.alike
    [row] = table.roles[0].rows
    for name, number in (("go", 0), ("stay", 1)):
        pooled = [gain for agent in "ab" for gain in expected_gains(earned[agent], 1)[number::2]]
        assert row.gains[name].count == len(pooled)
        assert row.gains[name].mean == pytest.approx(statistics.fmean(pooled))
        assert row.gains[name].spread == pytest.approx(statistics.pstdev(pooled))
    apart = tabulate(episode, roles={}, window=1)
    for one in apart.roles:
        gains = expected_gains(earned[one.role], 1)
        assert one.rows[0].gains["go"].mean == pytest.approx(statistics.fmean(gains[::2]))
    text = digest(episode, roles={})
    assert "what the agent itself earned" in text
    assert "In all: a +7.50, b +6.50" in text
    assert "Earned by these decisions: a +1, b +0" in text


def test_where_agents_earn_alike_gains_are_the_teams():
    episode = written([1.0, 0.0, 2.0, 0.5], agents=("a", "b"))
    assert tabulate(episode, roles={}).alike
    assert "Earned" not in digest(episode, roles={})


@pytest.mark.parametrize("every", [10, 3])
def test_every_so_many_cycles_are_told(episode, every):
    text = digest(episode, roles={}, every=every)
    told = [int(number) for number in re.findall(r"^Cycle (\d+)$", text, re.MULTILINE)]
    assert told == list(range(0, episode.length, every))
    assert len(re.findall(r"^Actions: .", text, re.MULTILINE)) == len(told)
    for cycle in episode.cycles:
        if cycle.timestep % every == 0:
            assert f"Cycle {cycle.timestep}\n{cycle.text}\nActions: " in text


def test_by_default_every_tenth_cycle_is_told_with_what_was_earned_so_far():
    text = narrative(written([1.0] * 25))
    assert re.findall(r"^Cycle (\d+)$", text, re.MULTILINE) == ["0", "10", "20"]
    assert "Cycle 10\nState 10.\nActions: go: a\nReward: +1.0000 (in all so far +11.0000)" in text
    assert "ended by the rules after 25 cycles. Total reward: +25.00" in text
