"""Collector: lessons in one environment, scores in its yardstick."""

import asyncio

from envs import make
from envs.math_tasks import MathEnvironment
from envs.multi_agent import PettingZooEnvironment
from textgrad_agents import ScriptedEngine
from textgrad_agents.engines import RulebookEngine
from textgrad_agents.seeds import text_hash
from training.collect import Collector

CENTRE = "When no two of my marks are in line with a free square, centre."


def self_play():
    return PettingZooEnvironment("classic/tictactoe-v3", opponents="self", games=5)


def collect(collector, branch, policy="No rules.", **options):
    policies = dict.fromkeys(collector.environment.agents, policy)
    return asyncio.run(collector.collect(policies, branch=branch, iteration=0, episodes=range(3), **options))


def test_lessons_are_played_against_each_other_and_scores_are_taken_against_random_players():
    collector = Collector(self_play, RulebookEngine())
    lessons, scores = collect(collector, "train"), collect(collector, "gate", record=False)
    assert [episode.total_reward for episode in lessons] == [0.0] * 3
    assert any(episode.trajectories[0].total_reward for episode in lessons)
    assert {episode.environment["opponents"] for episode in lessons} == {"self"}
    assert {episode.environment["opponents"] for episode in scores} == {"random"}
    assert any(episode.total_reward for episode in scores)


def test_a_yardstick_shows_which_team_is_better():
    collector = Collector(self_play, RulebookEngine())
    plain, better = (sum(one.total_reward for one in collect(collector, "evaluate", p)) for p in ("No rules.", CENTRE))
    assert better > plain


def test_where_scores_mean_something_the_environments_of_lessons_are_used_again():
    made = []

    def make():
        made.append(PettingZooEnvironment("classic/tictactoe-v3", games=1))
        return made[-1]

    collector = Collector(make, RulebookEngine(), parallel=2)
    for branch in ("train", "gate", "evaluate"):
        collect(collector, branch)
    assert len(made) == 2
    collector.close()


def test_siblings_begin_alike_and_are_sampled_apart():
    collector = Collector(lambda: make("lamps", max_cycles=4), RulebookEngine(), siblings=3)
    policies = dict.fromkeys(collector.environment.agents, "No rules.")

    def played(branch):
        run = collector.collect(policies, branch=branch, iteration=0, episodes=range(6), temperature=1.0)
        return asyncio.run(run)

    episodes = played("train")
    seeds = [episode.seed for episode in episodes]
    assert len({*seeds[:3]}) == len({*seeds[3:]}) == 1
    assert seeds[0] != seeds[3]
    assert len({tuple(step.action for step in episode.steps()) for episode in episodes[:3]}) > 1
    assert len({episode.seed for episode in played("gate")}) == 6


def test_bare_prompts_are_the_policy_and_the_observation():
    engine = ScriptedEngine(lambda *_: "#5")
    collector = Collector(lambda: MathEnvironment("short", per_episode=1, size=20), engine, bare=True)
    [episode] = asyncio.run(
        collector.collect({"solver": "solve:"}, branch="train", iteration=0, episodes=[0], temperature=1.0)
    )
    [step] = episode.steps()
    assert [(message.role, message.content) for message in step.messages] == [
        ("system", "solve:"),
        ("user", step.observation),
    ]
    assert step.messages[0].info == {
        "spans": [{"start": 0, "end": 6, "variable": "solver", "version": text_hash("solve:")}]
    }
