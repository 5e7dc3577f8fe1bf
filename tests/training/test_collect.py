"""Collector: lessons in one environment, scores in its yardstick."""

import asyncio

from envs.multi_agent import PettingZooEnvironment
from textgrad_agents.engines import RulebookEngine
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
