"""Paradigms: how many questions, whose answer, and that no prompt file goes wrong silently."""

import json
import re
from importlib.resources import files

import pytest

from textgrad_agents.errors import ConfigError, FileFormatError
from training.paradigms import ParadigmEvaluator

PARADIGMS = ("independent", "central_global", "central_credit")


def evaluator(paradigm, n=3, **options):
    return ParadigmEvaluator(paradigm, n, rules="The rules.", **options)


@pytest.mark.parametrize(("paradigm", "count"), [("independent", 3), ("central_global", 1), ("central_credit", 1)])
def test_number_of_questions_per_episode(paradigm, count):
    assert len(evaluator(paradigm).questions("what happened")) == count


@pytest.mark.parametrize("paradigm", PARADIGMS)
@pytest.mark.parametrize("environment", ["pistonball", "anything else"])
def test_every_placeholder_of_our_prompts_is_filled(paradigm, environment):
    for question in evaluator(paradigm, environment=environment).questions("what {happened}"):
        sent = "\n".join(message.text for message in question.messages)
        assert "what {happened}" in sent
        assert "The rules." in sent
        assert not re.search(r"\{[a-z_]+\}", sent.replace("{happened}", ""))


def test_independent_questions_are_for_one_agent_each():
    questions = evaluator("independent").questions("x")
    assert [question.agents for question in questions] == [("piston_0",), ("piston_1",), ("piston_2",)]
    assert "Agent: piston_1\n" in questions[1].messages[1].text
    reading = evaluator("independent").read(questions[1], " it pushed too late ")
    assert [(one.agent, one.text) for one in reading.credits] == [("piston_1", "it pushed too late")]


def test_the_global_answer_goes_to_all():
    one = evaluator("central_global")
    [question] = one.questions("x")
    assert [credit.agent for credit in one.read(question, "well done").credits] == list(one.agents)
    assert one.read(question, "  ").missing == one.agents


def test_credit_is_split_and_silence_about_an_agent_stays_silence():
    one = evaluator("central_credit")
    [question] = one.questions("x")
    assert "Agents: piston_0, piston_1, piston_2\n" in question.messages[1].text
    reading = one.read(question, json.dumps({"piston_2": {"score": 0.5, "feedback": "good"}}), source="judge")
    assert [(credit.agent, credit.score, credit.source) for credit in reading.credits] == [("piston_2", 0.5, "judge")]
    assert reading.missing == ("piston_0", "piston_1")


def test_thirds():
    one = evaluator("central_credit", 10)
    assert [one.get_agent_group(i) for i in range(10)] == ["left"] * 4 + ["middle"] * 3 + ["right"] * 3
    assert one.get_piston_groups()["middle"] == ("piston_4", "piston_5", "piston_6")


def test_no_prompt_of_ours_tells_which_action_is_right():
    """Critics and actors find out from the record; no text may pair a side with an action."""
    folder = files("training") / "prompts" / "evaluation"
    for kind in ("game_contexts", "templates"):
        for path in (folder / kind).iterdir():
            text = path.read_text().lower()
            assert not re.search(r"\b(left|right)\b[^.]*\b(push|retract|raise|lower|up|down)\b", text), path.name
            assert not re.search(r"\b(push|retract|raise|lower|up|down)\b[^.]*\b(left|right)\b", text), path.name


def write(folder, kind, name, value):
    (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / kind / name).write_text(value if isinstance(value, str) else json.dumps(value))


def own_prompts(folder, template="{trajectory} {piston_eval_format}"):
    write(folder, "game_contexts", "default.json", {"game_context": "{num_pistons} pistons: {all_agents}"})
    write(folder, "templates", "central_credit.json", {"template": template})
    return folder


def test_own_prompts_with_the_names_of_the_original(tmp_path):
    roles = {"roles": {"left_pistons": {"detailed": "the goal side"}}, "role_context_summary": "three groups"}
    (tmp_path / "role_descriptions.json").write_text(json.dumps(roles))
    own_prompts(tmp_path, "{role_context_credit} {role_description} {piston_group} {trajectory} {piston_eval_format}")
    one = evaluator("central_credit", prompts_dir=tmp_path)
    assert one.questions("x")[0].messages[0].text == "3 pistons: piston_0, piston_1, piston_2"
    assert one.create_evaluation_prompt("x", "piston_0").startswith("three groups the goal side left x ")
    own_prompts(tmp_path, "changed {trajectory}")
    one.reload_prompts()
    assert one.create_evaluation_prompt("x") == "changed x"


def test_an_unknown_placeholder_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown placeholder \['winner'\]"):
        evaluator("central_credit", prompts_dir=own_prompts(tmp_path, "{winner}"))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"template": 3}', '{"template": " "}'])
def test_a_damaged_prompt_file_is_named(tmp_path, content):
    own_prompts(tmp_path)
    write(tmp_path, "templates", "central_credit.json", content)
    with pytest.raises(FileFormatError, match=r"central_credit\.json"):
        evaluator("central_credit", prompts_dir=tmp_path)


def test_a_missing_prompt_file_is_named(tmp_path):
    own_prompts(tmp_path)
    with pytest.raises(FileFormatError, match=r"independent\.json cannot be read"):
        evaluator("independent", prompts_dir=tmp_path)


def test_an_unknown_paradigm_is_refused():
    with pytest.raises(ConfigError, match="one of independent, central_global, central_credit, not 'solo'"):
        evaluator("solo")
