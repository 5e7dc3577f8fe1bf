"""The critic: replies in both forms, from a digest with planted numbers."""

import json

import pytest

from textgrad_agents.engines.rulebook.critic import credit, evaluate
from textgrad_agents.engines.rulebook.evidence import read_tables
from textgrad_agents.errors import EngineRefusal
from training.credit import read_credits

TABLES = """## Digest
Something happened.

Role guard (ann, bob): 80 decisions
- When it rains: stay_in +0.5 (40 times, spread 0.1); go_out -0.5 (40 times, spread 0.1)

Role cook (eve): 40 decisions
- Where no situation is named: stir +0.01 (20 times, spread 2); wait -0.01 (20 times, spread 2)

- ann: 40 decisions, choices worth +0.25 (best +0.5, worst -0.5)
- bob: 40 decisions, choices worth -0.5 (best +0.5, worst -0.5)
- eve: 40 decisions, choices worth +0 (best +0, worst +0)"""


def evaluation_of(subject):
    return evaluate(f"{TABLES}\n\n## Answer format: evaluation\nAgent: {subject}\nWrite.")


def credit_of(*agents, tables=TABLES):
    return credit(f"{tables}\n\n## Answer format: credit per agent\nAgents: {', '.join(agents)}\nAnswer.")


def test_an_evaluation_of_the_team_holds_every_table():
    text = evaluation_of("all")
    assert read_tables(text) == read_tables(TABLES)
    assert "when it rains, stay in gained 1 points more than the other actions" in text
    assert "In no situation did an action gain clearly more" in text  # the cook's


def test_an_evaluation_of_an_agent_is_of_its_role_and_its_choices():
    text = evaluation_of("bob")
    assert [table.role for table in read_tables(text)] == ["guard"]
    assert "bob: 40 decisions, choices worth -0.5" in text
    assert "ann:" not in text
    assert [table.role for table in read_tables(evaluation_of("eve"))] == ["cook"]


def test_an_evaluation_of_an_agent_that_the_digest_does_not_know():
    assert evaluation_of("zoe") == "The digest tells nothing of zoe."


def test_credit_is_json_of_exactly_the_agents_asked_for():
    for asked in (("ann", "bob", "eve"), ("eve", "ann"), ("bob",)):
        judged = json.loads(credit_of(*asked))
        assert tuple(judged) == asked
        assert all(set(judgement) == {"score", "feedback"} for judgement in judged.values())
        assert all(-1 <= judgement["score"] <= 1 for judgement in judged.values())
    assert list(json.loads(credit_of("ann", "zoe"))) == ["ann"]


def test_scores_say_whose_choices_were_worth_more():
    judged = json.loads(credit_of("ann", "bob", "eve"))
    assert {agent: judgement["score"] for agent, judgement in judged.items()} == {"ann": 0.5, "bob": -1.0, "eve": 0.0}
    assert [table.role for table in read_tables(judged["ann"]["feedback"])] == ["guard"]


def test_credit_is_read_back_by_training():
    reading = read_credits(credit_of("ann", "bob", "eve"), ("ann", "bob", "eve"))
    assert reading.form == "json"
    assert not reading.missing
    assert [one.score for one in reading.credits] == [0.5, -1.0, 0.0]


@pytest.mark.parametrize("worth", ["+7", "-7", "+1e-300", "-0", "+0.5"])
def test_scores_stay_in_range_whatever_the_digest_says(worth):
    tables = TABLES.replace("worth +0.25", f"worth {worth}")
    assert -1 <= json.loads(credit_of("ann", tables=tables))["ann"]["score"] <= 1


@pytest.mark.parametrize("critic", [evaluate, credit])
def test_a_question_without_a_table_is_refused_with_the_way_out(critic):
    with pytest.raises(EngineRefusal, match=r"this request holds\s+none; give it .*digest.*--model"):
        critic("How did it go?\n\n## Answer format: evaluation\nAgent: all")
