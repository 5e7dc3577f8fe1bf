"""The critic: what is asked, what is recorded, and what becomes of replies that cannot be used."""

import asyncio
import json

import pytest

from envs.lamps import LampsEnvironment
from textgrad_agents.engines import ScriptedEngine
from textgrad_agents.engines.faults import make_fault
from textgrad_agents.errors import EngineReplyError
from training.acting import LanguageTeam
from training.judging import EpisodeCritic
from training.paradigms import ParadigmEvaluator
from training.rollout import rollout

AGENTS = ("keeper_0", "keeper_1")


def judge(script, paradigm="central_credit", cycles=25, structured=False):
    """One episode judged by a script: the judgement, and the engine with its calls."""
    environment = LampsEnvironment(num_agents=2, max_cycles=cycles)
    team = LanguageTeam(environment, dict.fromkeys(AGENTS, "Wait."), ScriptedEngine(lambda *_: "1"), 0.0)
    episode = asyncio.run(rollout(environment, team, (0, "train", 0, 0)))
    engine = ScriptedEngine(script, structured=structured)
    evaluator = ParadigmEvaluator(paradigm, agents=AGENTS, environment="lamps", rules=environment.rules)
    critic = EpisodeCritic(evaluator, engine, roles=dict.fromkeys(AGENTS, "keeper"))
    return asyncio.run(critic.judge([episode])), engine


def said(credits):
    return [(one.agent, one.step, one.score, one.text) for one in credits]


STEPS = {
    "keeper_0": {
        "score": 0.5,
        "feedback": "good on the whole",
        "steps": [
            {"cycle": 20, "score": -3, "feedback": "late"},
            {"cycle": 0, "score": 1, "feedback": "early"},
            {"cycle": 0, "score": -1, "feedback": "said twice"},
            {"cycle": 7, "score": 1, "feedback": "a cycle that the digest does not tell"},
            {"cycle": True, "score": 1, "feedback": "no number"},
            {"cycle": 10, "score": 1, "feedback": " "},
            "nonsense",
        ],
    },
    "keeper_1": {"steps": [{"cycle": 10, "feedback": "only this"}]},
}


def test_single_cycles_that_the_digest_tells_are_judged_by_themselves():
    judgement, engine = judge(lambda *_: json.dumps(STEPS))
    assert said(judgement.episodes[0].credits) == [
        ("keeper_0", None, 0.5, "good on the whole"),
        ("keeper_0", 0, 1.0, "early"),
        ("keeper_0", 20, -1.0, "late"),
        ("keeper_1", 10, None, "only this"),
    ]
    assert judgement.report.credits[0] == judgement.episodes[0].credits
    assert judgement.report.metrics["missing_credit"] == 0
    assert '"steps"' in engine.calls[0].messages[-1].text


def test_a_structured_engine_is_given_the_schema_of_all_agents():
    judgement, engine = judge(lambda *_: json.dumps(STEPS), structured=True)
    schema = engine.calls[0].options.response_schema
    assert schema["required"] == list(AGENTS)
    of_agent = schema["properties"]["keeper_1"]
    assert of_agent["required"] == ["score", "feedback", "steps"]
    assert of_agent["properties"]["steps"]["items"]["required"] == ["cycle", "score", "feedback"]
    assert len(judgement.episodes[0].credits) == 4


def test_a_reply_that_breaks_the_schema_is_asked_for_again_in_plain_words_and_read_by_sections():
    def script(messages, options):
        if options.response_schema is not None:
            raise make_fault("schema", "the reply holds no JSON", EngineReplyError)
        return "[KEEPER_0 EVALUATION]\nzero\n[KEEPER_1 EVALUATION]\none"

    judgement, engine = judge(script, structured=True)
    assert [call.options.response_schema is None for call in engine.calls] == [False, True]
    assert said(judgement.episodes[0].credits) == [("keeper_0", None, None, "zero"), ("keeper_1", None, None, "one")]


@pytest.mark.parametrize("paradigm", ["independent", "central_global", "central_credit"])
@pytest.mark.parametrize("reply", ["", "   ", None])
def test_empty_and_refused_replies_leave_agents_without_credit_and_are_counted(paradigm, reply):
    def script(messages, options):
        if reply is None:
            raise EngineReplyError("the reply was filtered")
        return reply

    judgement, _ = judge(script, paradigm)
    assert judgement.episodes[0].credits == ()
    assert judgement.report.metrics["missing_credit"] == 2
    assert "the critic said nothing usable of an agent 2 times" in judgement.report.notes


def test_a_section_about_another_agent_is_cut_out_of_a_free_evaluation_and_counted():
    def script(messages, options):
        return "I watched the lamps.\n[KEEPER_1 EVALUATION]\nabout one\n[KEEPER_0 EVALUATION]\nabout zero"

    judgement, _ = judge(script, "independent")
    assert said(judgement.episodes[0].credits) == [
        ("keeper_0", None, None, "I watched the lamps.\nabout zero"),
        ("keeper_1", None, None, "I watched the lamps.\nabout one"),
    ]
    assert judgement.report.metrics["foreign_sections"] == 2
    assert "2 sections about other agents were cut out" in " ".join(judgement.report.notes)


def test_a_section_about_another_agent_inside_an_agents_feedback_is_cut_out():
    reply = {"keeper_0": {"feedback": "mine\n**keeper_1**: not mine"}, "keeper_1": {"feedback": "**keeper_0**: x"}}
    judgement, _ = judge(lambda *_: json.dumps(reply))
    assert said(judgement.episodes[0].credits) == [("keeper_0", None, None, "mine")]
    assert judgement.report.metrics["missing_credit"] == 1
    assert judgement.report.metrics["foreign_sections"] == 2
