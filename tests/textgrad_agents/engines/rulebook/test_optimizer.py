"""The optimizer: what it makes of tables with planted numbers."""

import json
import re

import pytest

from textgrad_agents import TGD, Gradient, RulebookEngine, Variable
from textgrad_agents.engines.rulebook.optimizer import rewrite
from textgrad_agents.errors import EngineRefusal

START = "No rules are known yet."


def table(*rows, role="guard", agents="ann, bob"):
    return f"Role {role} ({agents}): 80 decisions\n" + "\n".join(rows)


def row(condition="When it rains", **gains):
    cells = "; ".join(
        f"{action} {mean:+.4g} ({count} times, spread {spread})" for action, (mean, count, spread) in gains.items()
    )
    return f"- {condition}: {cells}"


def request(value, *texts, role="policy of ann", tag="0123abcd"):
    data = json.dumps({"role": role, "value": value, "feedback": [{"text": text} for text in texts]}, indent=1)
    return (
        f"Improve this.\n\n```json\n{data}\n```\n\n## Answer format: improved variable\n\n"
        f"Write the new value between <NEW_{tag}> and </NEW_{tag}>.\nBegin a line with the first tag."
    )


def improved(value, *texts, **more):
    found = re.search(r"^<NEW_0123abcd>\n(.*)\n</NEW_0123abcd>$", rewrite(request(value, *texts, **more)), re.S | re.M)
    assert found
    return found[1]


CLEAR = row(stay=(0.5, 40, 0.5), go_out=(-0.5, 40, 0.5))


def test_it_learns_the_action_that_did_better():
    assert improved(START, table(CLEAR)) == f"{START}\nWhen it rains, stay."
    assert (
        improved(START, table(row(stay=(-0.5, 40, 0.5), go_out=(0.5, 40, 0.5)))) == f"{START}\nWhen it rains, go out."
    )


def test_each_situation_has_its_own_rule():
    other = row("When it snows", stay=(-0.5, 40, 0.5), go_out=(0.5, 40, 0.5))
    assert improved(START, table(CLEAR, other)).splitlines() == [
        START,
        "When it rains, stay.",
        "When it snows, go out.",
    ]


def test_where_no_situation_is_named_the_rule_is_for_everything():
    evidence = row("Where no situation is named", stay=(0.5, 40, 0.5), go_out=(-0.5, 40, 0.5))
    assert improved("", table(evidence)) == "Otherwise, stay."


@pytest.mark.parametrize(
    "texts",
    [
        (),
        ("You did well, but stay in when it rains.",),
        (table(row(stay=(0.5, 2, 0.5), go_out=(-0.5, 2, 0.5))),),
        (table(row(stay=(0.01, 40, 5), go_out=(-0.01, 40, 5))),),
        (table(row(stay=(0.5, 80, 0.5))),),
        (table(row(stay=(0.1, 40, 0), go_out=(0.1, 40, 0))),),
    ],
    ids=["none", "words alone", "few decisions", "noise", "one action", "no difference"],
)
def test_without_evidence_the_text_stays_as_it_is(texts):
    for value in (START, "", "  Prose.\n\n* When it rains, go out!\n\nWhen it rains, go out.\n"):
        assert improved(value, *texts) == value


def test_a_rule_that_is_contradicted_is_replaced_and_prose_stays():
    value = "Be kind.\n- When it rains, go out. (old)\nThe end."
    assert improved(value, table(CLEAR)) == "Be kind.\n- When it rains, stay. (old)\nThe end."


def test_a_rule_that_is_confirmed_stays():
    value = "Be kind. When it rains, stay."
    assert improved(value, table(CLEAR)) == value


def test_an_exception_is_made_only_where_the_evidence_is_strong():
    usual = row("When it rains and it is day", stay=(0.5, 200, 0.5), go_out=(-0.5, 200, 0.5))
    night = row("When it rains and it is night", stay=(-1, 60, 0.5), go_out=(1, 60, 0.5))
    assert improved("When it rains, stay.", table(usual, night)).splitlines() == [
        "When it rains, stay.",
        "When it rains and it is night, go out.",
    ]


def test_a_rule_that_a_more_general_one_makes_superfluous_is_taken_out():
    value = "When it rains and it is night, stay."
    evidence = [
        row(f"When it rains and it is {time}", stay=(0.5, 40, 0.5), go_out=(-0.5, 40, 0.5)) for time in ("day", "night")
    ]
    assert improved(value, table(*evidence)) == "When it rains, stay."


def test_no_action_is_praised_for_where_it_was_taken():
    """Staying was mostly tried where all goes well; within each situation going out did better."""
    good = row("When it rains and it is day", stay=(5.0, 90, 0.5), go_out=(6.0, 30, 0.5))
    bad = row("When it rains and it is night", stay=(-6.0, 30, 0.5), go_out=(-5.0, 90, 0.5))
    assert improved(START, table(good, bad)) == f"{START}\nWhen it rains, go out."


def test_several_texts_of_feedback_count_together():
    each = table(row(stay=(0.3, 8, 0.5), go_out=(-0.3, 8, 0.5)))
    assert improved(START, each) == START
    assert improved(START, *[each] * 5) == f"{START}\nWhen it rains, stay."
    against = table(row(stay=(-0.3, 8, 0.5), go_out=(0.3, 8, 0.5)))
    assert improved(START, *[each, against] * 5) == START


def test_a_policy_is_changed_by_the_table_of_its_role():
    cooks = table(row(stay=(-0.5, 40, 0.5), go_out=(0.5, 40, 0.5)), role="cook", agents="eve")
    for text in (f"{table(CLEAR)}\n\n{cooks}", f"{cooks}\n\n{table(CLEAR)}"):
        assert improved(START, text, role="policy of bob") == f"{START}\nWhen it rains, stay."
        assert improved(START, text, role="policy of eve") == f"{START}\nWhen it rains, go out."


def test_agents_whose_names_begin_alike_are_told_apart():
    ten = table(row(stay=(-0.5, 40, 0.5), go_out=(0.5, 40, 0.5)), role="cook", agents="ann_10")
    assert improved(START, table(CLEAR, agents="ann_1"), ten, role="policy of ann_10").endswith("go out.")


def test_it_answers_with_the_tag_of_the_request():
    quoted = "Write the new value between <NEW_ffffffff> and </NEW_ffffffff>."
    for tag in ("0123abcd", "deadbeef"):
        reply = rewrite(request(START, f"{quoted}\n{table(CLEAR)}", tag=tag))
        assert reply.splitlines()[-4] == f"<NEW_{tag}>"
        assert reply.splitlines()[-1] == f"</NEW_{tag}>"
        assert "ffffffff" not in reply


def test_reasons_come_with_numbers():
    reasons = rewrite(request(START, table(CLEAR))).split("<NEW_")[0]
    assert re.search(r"When it rains, stay\. It gained 1 points more than the other actions .*80 decisions", reasons)
    assert "no reason to change" in rewrite(request(START))


@pytest.mark.parametrize(
    "text", ["Improve it.", "```json\n{}\n```\n<NEW_0123abcd>", "```json\n[broken\n```\n<NEW_0123abcd>"]
)
def test_a_request_that_lacks_the_value_or_the_tag_is_refused(text):
    with pytest.raises(EngineRefusal, match="rulebook was asked for an improved variable"):
        rewrite(text)
    with pytest.raises(EngineRefusal, match="Write the new value between"):
        rewrite(request(START).split("## Answer format")[0])


def test_it_serves_the_optimizer_of_the_package():
    policy = Variable(START, role_description="policy of ann", name="ann")
    policy.add_gradient(Gradient(text=f"<NEW_ffffffff>\n{table(CLEAR)}"))
    TGD([policy], engine=RulebookEngine()).step()
    assert policy.value == f"{START}\nWhen it rains, stay."
