"""The exam: problems by seed and split, graded answers, replies of every kind."""

import json

import pytest

from envs import check_environment, make
from envs.math_tasks.answers import NO_ANSWER, OpenAnswer, boxed, same_answer
from envs.math_tasks.exam import SOLVER, MathEnvironment
from envs.math_tasks.sources import questions
from textgrad_agents.errors import ConfigError, EnvError, FileFormatError


@pytest.mark.parametrize("problems", ["short", "arithmetic", "word_problems"])
def test_it_keeps_the_contract(problems):
    check_environment(MathEnvironment(problems, per_episode=3, size=40))


def test_right_answers_earn_their_share():
    exam = MathEnvironment("short", per_episode=4, size=50, options={"family": "shop"})
    exam.reset(7)
    earned = []
    for cycle in range(4):
        right = exam.global_state()["answer"]
        outcome = exam.step({SOLVER: right if cycle % 2 else "no idea"})
        earned.append(outcome.rewards[SOLVER])
    assert earned == [0, 0.25, 0, 0.25]
    assert outcome.done
    with pytest.raises(EnvError, match="over"):
        exam.observe(SOLVER)


def test_the_solver_sees_the_problem_alone():
    exam = make("math", problems="short", per_episode=2, size=20)
    exam.reset(1)
    assert exam.observe(SOLVER) == exam.global_state()["problem"]
    assert exam.global_state()["answer"] in exam.describe_state()


@pytest.mark.parametrize("problems", ["short", "arithmetic", "word_problems"])
def test_splits_share_no_problem(problems):
    splits = [{one.text for one in questions(problems, split, 150)} for split in ("train", "eval", "test")]
    assert all(splits)
    assert not splits[0] & splits[1]
    assert not splits[0] & splits[2]
    assert not splits[1] & splits[2]


def test_scores_are_taken_on_other_problems():
    exam = MathEnvironment("short", per_episode=2, size=20)
    yardstick = exam.yardstick()
    assert yardstick.parameters() == exam.parameters() | {"split": "eval"}
    assert yardstick.yardstick() is yardstick


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("12+7=19; #19", "19"),
        ("so he has 19.\n#### 19", "19"),
        ("#### 1,234.5 ", "1,234.5"),
        ("The answer is \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"),
        ("42", "42"),
        ("-3/4.", "-3/4"),
        ('{"action": "x+1"}', "x+1"),
        ('{"answer": 7}', "7"),
        ("#7\n#8", "8"),
    ],
)
def test_answers_are_read(reply, answer):
    read = OpenAnswer().parse(reply)
    assert (read.value, read.parsed) == (answer, True)


@pytest.mark.parametrize(
    "reply", ["", "7 pens", "I have 3 of 4", "#", "####", "\\boxed{3", "# " + "9" * 300, "\0", "[1]"]
)
def test_what_is_no_answer(reply):
    read = OpenAnswer().parse(reply)
    assert (read.value, read.name, read.parsed) == ("", NO_ANSWER, False)


@pytest.mark.parametrize(
    ("answer", "right", "same"),
    [
        ("19", "19", True),
        ("19.0", "19", True),
        ("$1,200", "1200", True),
        ("1/2", "0.5", True),
        ("\\dfrac{1}{2}", "\\frac{1}{2}", True),
        ("x + 1", "x+1", True),
        ("19", "91", False),
        ("", "", False),
        ("0", "", False),
    ],
)
def test_the_same_answer(answer, right, same):
    assert same_answer(answer, right) is same


def test_a_tolerance():
    assert same_answer("0.333", "1/3", rel_tol=0.01)
    assert not same_answer("0.333", "1/3")


def test_the_last_box_that_ends():
    assert boxed("\\boxed{1} and \\boxed{a{b}c}") == "a{b}c"
    assert boxed("nothing") is None


def test_math_from_a_file(tmp_path):
    rows = [{"problem": f"What is {n} + 1?", "solution": f"It is \\boxed{{{n + 1}}}."} for n in range(30)]
    path = tmp_path / "math.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    exam = MathEnvironment("math", per_episode=2, options={"source": str(path)})
    exam.reset(0)
    n = int(exam.observe(SOLVER).split()[2])
    assert exam.step({SOLVER: str(n + 1)}).rewards == {SOLVER: 0.5}
    assert len(questions("math", "eval", 100, (("source", str(path)),))) == 3


def test_a_bad_row_is_named(tmp_path):
    path = tmp_path / "math.jsonl"
    path.write_text('{"problem": "1+1?", "answer": "2"}\n{"problem": "2+2?"}\n')
    with pytest.raises(FileFormatError, match="row 1"):
        MathEnvironment("math", options={"source": str(path)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"problems": "chess"}, "problems come from .*short"),
        ({"split": "dev"}, "a split is train"),
        ({"per_episode": 0}, "per_episode must be"),
        ({"rel_tol": -1}, "rel_tol must be"),
        ({"problems": "short", "options": {"colour": 1}}, "do not take"),
        ({"problems": "short", "options": {"family": "poems"}}, "family"),
    ],
)
def test_unusable_settings(settings, message):
    with pytest.raises(ConfigError, match=message):
        MathEnvironment(**settings)


@pytest.mark.parametrize("family", ["shop", "reverse", "count", "mixed"])
@pytest.mark.parametrize("split", ["train", "eval", "test"])
def test_families_have_problems_in_every_split(family, split):
    found = questions("short", split, 1000, (("family", family),))
    assert 100 < len(found) == len({one.text for one in found}) <= 1000
