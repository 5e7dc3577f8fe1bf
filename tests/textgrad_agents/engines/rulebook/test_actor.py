"""The actor: rules, chance where there is none, exploration, and values as offered."""

from collections import Counter

import pytest

from textgrad_agents.engines.rulebook.actor import act
from textgrad_agents.errors import EngineRefusal

OFFER = ("- 0 = go_left: one step", "- 1 = stay: none", "- 2 = go_right: one step")


def told(policy, offer=OFFER):
    return f"Rules of a game.\n\n## Your policy\n{policy}\n\n## Answer format: one action\nAnswer so:\n" + "\n".join(
        offer
    )


def value(policy, situation="it rains", temperature=0.0, seed=0, offer=OFFER):
    return act(told(policy, offer), f"I am here.\nSituation: {situation}\n\nWhat now?", temperature, seed).split("\n")[
        0
    ]


def test_the_rule_for_the_situation_is_followed_and_named():
    reply = act(told("When it rains, go right."), "Situation: it rains; it is dark", 0.0, 3)
    assert reply == "2\nbecause the rule says: When it rains, go right."


@pytest.mark.parametrize("action", ["go right", "go_right", "GO Right", "Go_Right"])
def test_actions_are_written_in_any_way(action):
    assert {value(f"When it rains, {action}.", seed=seed) for seed in range(20)} == {"2"}


def test_the_most_specific_rule_decides():
    policy = "Otherwise, stay. When it rains, go left. When it rains and it is dark, go right."
    assert value(policy, "it is dark; it rains") == "2"
    assert value(policy, "it rains; it is cold") == "0"
    assert value(policy, "it is dark") == "1"


def test_without_a_rule_chance_decides_by_the_seed():
    drawn = [value("No rules are known yet.", seed=seed) for seed in range(3000)]
    assert drawn == [value("No rules are known yet.", seed=seed) for seed in range(3000)]
    counts = Counter(drawn)
    assert set(counts) == {"0", "1", "2"}
    assert all(900 < count < 1100 for count in counts.values())


def test_without_a_seed_the_request_is_the_seed():
    drawn = [value("None.", f"it is {hour} o'clock", seed=None) for hour in range(40)]
    assert drawn == [value("None.", f"it is {hour} o'clock", seed=None) for hour in range(40)]
    assert set(drawn) == {"0", "1", "2"}


def test_without_a_situation_otherwise_decides():
    assert act(told("When it rains, stay. Otherwise, go left."), "Nothing to see.", 0.0, 1).startswith("0\n")


@pytest.mark.parametrize("temperature", [0.15, 0.6])
def test_exploration_is_as_frequent_as_the_temperature(temperature):
    policy, tries = "When it rains, go right.", 6000
    replies = [act(told(policy), "Situation: it rains", temperature, seed) for seed in range(tries)]
    explored = [reply for reply in replies if "exploring" in reply]
    assert len(explored) / tries == pytest.approx(temperature, abs=0.025)
    assert min(Counter(reply[0] for reply in explored).values()) > len(explored) / 4
    assert all(reply.startswith("2\n") for reply in replies if "exploring" not in reply)


def test_nothing_is_explored_at_temperature_0_and_everything_at_1():
    policy = "When it rains, go right."
    assert {value(policy, seed=seed) for seed in range(500)} == {"2"}
    assert {value(policy, seed=seed, temperature=1.0) for seed in range(100)} == {"0", "1", "2"}


def test_values_are_given_as_offered():
    offer = ("- -1 = down: lower", "- 0 = stay: none", "- 1.0 = up: raise (0.5: by half)")
    assert value("When it rains, up.", offer=offer) == "1.0"
    assert value("When it rains, down.", offer=offer) == "-1"
    assert {value("None.", offer=offer, seed=seed) for seed in range(60)} == {"-1", "0", "1.0"}


def test_a_rule_for_an_action_that_is_not_offered_does_not_count():
    policy = "When it rains and it is dark, fly away. When it rains, go right. When in Rome, do as they do."
    assert value(policy, "it rains; it is dark") == "2"
    assert {value("When it rains, fly away.", seed=seed) for seed in range(60)} == {"0", "1", "2"}
    only_two = OFFER[:2]  # the same policy where the action is not open in this cycle
    assert {value("When it rains, go right.", seed=seed, offer=only_two) for seed in range(60)} == {"0", "1"}


def test_headings_in_a_policy_do_not_end_it():
    assert value("Intro.\n## Details\nWhen it rains, go left.") == "0"


def test_a_request_that_offers_nothing_is_refused_with_the_way_out():
    with pytest.raises(EngineRefusal, match=r"rulebook was asked for one action.*list the actions there"):
        act("## Your policy\nWhen it rains, stay.\n\n## Answer format: one action\nAny.", "Situation: it rains", 0.0, 0)
