"""Credit is read per agent, and never given to another agent."""

import json

from hypothesis import given
from hypothesis import strategies as st

from training.credit import read_credits

AGENTS = ("piston_0", "piston_1", "piston_2")
GROUPS = {"left": ("piston_0",), "middle": ("piston_1",), "right": ("piston_2",)}


def texts(reply, agents=AGENTS, groups=GROUPS):
    return {credit.agent: credit.text for credit in read_credits(reply, agents, groups=groups).credits}


def test_json_object_gives_text_and_score_clipped():
    reply = json.dumps(
        {"piston_0": {"score": 7, "feedback": "up helped"}, "piston_2": {"score": -0.5, "feedback": "x"}}
    )
    reading = read_credits(f"Here it is:\n```json\n{reply}\n```", AGENTS, source="judge")
    assert [(one.agent, one.score, one.text, one.source) for one in reading.credits] == [
        ("piston_0", 1.0, "up helped", "judge"),
        ("piston_2", -0.5, "x", "judge"),
    ]
    assert reading.missing == ("piston_1",)
    assert reading.form == "json"


def test_json_without_a_usable_score_keeps_the_text():
    reading = read_credits('{"piston_0": {"score": NaN, "feedback": "a"}, "piston_1": "b"}', AGENTS)
    assert [(one.agent, one.score, one.text) for one in reading.credits] == [
        ("piston_0", None, "a"),
        ("piston_1", None, "b"),
    ]


def test_bracket_sections_in_both_spellings():
    reply = "[PISTON_0 EVALUATION]\nzero\n[Piston 1 Evaluation]: one\n[PISTON_2 EVALUATION] two"
    assert texts(reply) == {"piston_0": "zero", "piston_1": "one", "piston_2": "two"}


def test_bold_and_plain_headers():
    assert texts("**piston_0**: zero\n**piston_1**: one\n**piston_2**: two")["piston_1"] == "one"
    assert texts("piston_0: zero\npiston_1: one\npiston_2: two") == {
        "piston_0": "zero",
        "piston_1": "one",
        "piston_2": "two",
    }


def test_numbered_list_only_if_it_has_an_item_per_agent():
    assert texts("1. zero\n2. one\n3. two") == {"piston_0": "zero", "piston_1": "one", "piston_2": "two"}
    assert texts("1. zero\n2. one") == {}


def test_group_sections_go_to_the_members_and_say_so():
    found = texts("[LEFT PISTONS EVALUATION]\nslow\n[RIGHT PISTONS EVALUATION]\nfast")
    assert found == {
        "piston_0": "(said of all agents on the left) slow",
        "piston_2": "(said of all agents on the right) fast",
    }


def test_nothing_found_gives_nothing_to_anyone():
    reading = read_credits("The team did well, in particular at the end.", AGENTS, groups=GROUPS)
    assert reading.credits == ()
    assert reading.missing == AGENTS
    assert reading.form == "none"


def test_a_header_that_occurs_twice_is_not_used():
    found = texts("[PISTON_0 EVALUATION]\na\n[PISTON_0 EVALUATION]\nb\n[PISTON_1 EVALUATION]\nc")
    assert found == {"piston_1": "c"}


def test_a_section_ends_at_any_other_header():
    reply = "[PISTON_0 EVALUATION]\nmine\n[PISTON_9 EVALUATION]\nnot mine\n# Summary\nall"
    assert texts(reply) == {"piston_0": "mine"}


def test_piston_1_is_not_piston_10():
    agents = tuple(f"piston_{i}" for i in range(11))
    assert texts("[PISTON_10 EVALUATION]\nten\n[PISTON_1 EVALUATION]\none", agents, {}) == {
        "piston_10": "ten",
        "piston_1": "one",
    }


@given(st.permutations(AGENTS), st.sets(st.sampled_from(AGENTS)))
def test_no_agent_ever_receives_text_written_under_another_name(order, present):
    marks = {agent: f"mark of {agent}" for agent in AGENTS}
    reply = "\n".join(f"[{agent.upper()} EVALUATION]\n{marks[agent]}" for agent in order if agent in present)
    assert texts(reply) == {agent: marks[agent] for agent in AGENTS if agent in present}


@given(st.text())
def test_any_text_is_read_without_an_error(reply):
    reading = read_credits(reply, AGENTS, groups=GROUPS)
    assert {one.agent for one in reading.credits} | set(reading.missing) == set(AGENTS)
