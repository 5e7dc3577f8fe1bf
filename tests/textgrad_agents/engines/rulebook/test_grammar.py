"""The grammar of policies: rules among prose, which one counts, and edits that leave prose alone."""

from hypothesis import given, settings
from hypothesis import strategies as st

from textgrad_agents.engines.rulebook.grammar import Rule, action_key, edit, read_rules, rule_for

POLICY = """I am a keeper; this is what I know so far.

- When the door is open, go out. That worked twice!
2) when the DOOR is open and  it rains, STAY
Some say: Otherwise, wait_here.
Nobody knows whenever this is, and so on."""

words = st.text("abcdefgz", min_size=2, max_size=8).filter(lambda word: word != "and")
phrases = st.lists(words, min_size=1, max_size=4).map(" ".join)
rules = st.builds(Rule, st.lists(phrases, max_size=3, unique=True).map(tuple), phrases.map(action_key))


def prose_only(text):
    return edit(text, [None] * len(read_rules(text)), [])


def test_rules_stand_among_prose():
    assert read_rules(POLICY) == [
        Rule(("the door is open",), "go_out"),
        Rule(("the door is open", "it rains"), "stay"),
        Rule((), "wait_here"),
    ]


def test_prose_is_no_rule():
    for text in (
        "",
        "No rules are known yet.",
        "When in doubt ask.",
        "Whenever it rains, stay.",
        "When it rains.\nstay.",
    ):
        assert read_rules(text) == []


def test_the_most_specific_rule_counts_wherever_it_stands():
    general, special = Rule(("a",), "go"), Rule(("a", "b"), "stay")
    for order in ([general, special], [special, general]):
        assert rule_for(order, ("a", "b", "c")) is special
        assert rule_for(order, ("b", "a")) is special
        assert rule_for(order, ("a", "c")) is general
        assert rule_for(order, ("b",)) is None


def test_of_equals_the_first_counts():
    first, second = Rule(("a",), "go"), Rule(("b",), "stay")
    assert rule_for([first, second], ("b", "a")) is first
    assert rule_for([second, first], ("b", "a")) is second


def test_otherwise_counts_where_nothing_else_does():
    otherwise, rule = Rule((), "wait"), Rule(("a",), "go")
    assert rule_for([otherwise, rule], ("a",)) is rule
    assert rule_for([otherwise, rule], ("b",)) is otherwise
    assert rule_for([otherwise, rule], ()) is otherwise


def test_an_edit_replaces_takes_out_and_adds_and_keeps_prose():
    one, _, three = read_rules(POLICY)
    new = edit(POLICY, [Rule(one.clauses, "close_it"), None, three], [Rule(("it snows",), "go_out")])
    assert new == (
        "I am a keeper; this is what I know so far.\n\n"
        "- When the door is open, close it. That worked twice!\n"
        "Some say: Otherwise, wait_here.\n"
        "Nobody knows whenever this is, and so on.\n"
        "When it snows, go out."
    )


def test_an_edit_that_changes_nothing_changes_no_character():
    assert edit(POLICY, read_rules(POLICY), []) == POLICY


def test_rules_that_are_taken_out_leave_the_sentences_around_them():
    assert edit("First. When it rains, stay. Last.", [None], []) == "First. Last."
    assert edit("* When it rains, stay.\n* Otherwise, go.", [None, None], []) == ""


@settings(deadline=None)
@given(st.lists(rules, max_size=6), st.lists(phrases.map(str.capitalize), max_size=3))
def test_what_is_written_is_read_back(written, prose):
    text = edit("\n".join(f"{line}." for line in prose), [], written)
    assert read_rules(text) == written
    assert prose_only(text) == "\n".join(f"{line}." for line in prose)


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=12), st.sampled_from(["When ", "Otherwise, ", ", ", " and ", ".", "\n", "- "])))
)
def test_any_text_is_read_and_edited(parts):
    text = "".join(parts)
    found = read_rules(text)
    assert edit(text, found, []) == text.strip()
    assert len(prose_only(text)) <= len(text)
    more = edit(text, found, [Rule(("it rains",), "stay")])
    assert Rule(("it rains",), "stay") in read_rules(more)


@settings(deadline=None)
@given(st.lists(rules, max_size=8), st.lists(phrases, max_size=6).map(tuple))
def test_the_rule_that_counts_covers_and_no_longer_one_does(given_rules, clauses):
    covering = [rule for rule in given_rules if set(rule.clauses) <= set(clauses)]
    longest = max((len(rule.clauses) for rule in covering), default=0)
    assert rule_for(given_rules, clauses) is next((rule for rule in covering if len(rule.clauses) == longest), None)
