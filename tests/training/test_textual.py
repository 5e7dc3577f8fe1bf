"""Learning in words: calls per update, whose feedback reaches whom, failures, gate."""

import asyncio
import json
import re
from dataclasses import replace

import pytest

from envs.lamps import LampsEnvironment
from textgrad_agents.engines import Meter, Metered, ScriptedEngine
from textgrad_agents.errors import EngineAccessError, EngineRefusal, EngineReplyError, FileFormatError
from training.acceptance import Verdict
from training.acting import LanguageTeam
from training.gate import AlwaysAccept, PairedGate
from training.judging import EpisodeCritic
from training.paradigms import ParadigmEvaluator
from training.rollout import rollout
from training.textual import TextualLearner


class Team:
    """K recorded episodes of N keepers, a critic and a learner over scripted engines."""

    def __init__(self, paradigm, keepers=3, episodes=4, gate=None, critic=None, optimizer=None, **options):
        self.environment = LampsEnvironment(num_agents=keepers, max_cycles=3)
        self.agents = self.environment.agents
        self.policies = {agent: f"Old policy of {agent}." for agent in self.agents}
        team = LanguageTeam(self.environment, self.policies, ScriptedEngine(lambda *_: "1"), 0.0)
        self.episodes = [
            asyncio.run(rollout(self.environment, team, (0, "train", 0, k), episode_id=k)) for k in range(episodes)
        ]
        self.meter = Meter()
        self.critic = ScriptedEngine(critic or self.judge)
        self.optimizer = ScriptedEngine(optimizer or self.rewrite)
        evaluator = ParadigmEvaluator(paradigm, agents=self.agents, environment="lamps", rules=self.environment.rules)
        critic = Metered(self.critic, self.meter)
        self.episode_critic = EpisodeCritic(evaluator, critic, roles=dict.fromkeys(self.agents, "keeper"))
        summarizer = critic if options.pop("summary", False) else None
        self.learner = TextualLearner(
            self.policies,
            Metered(self.optimizer, self.meter),
            gate or AlwaysAccept(),
            summarizer=summarizer,
            **options,
        )

    def judge(self, messages, options):
        """A mark that says which question it answers: unique per call."""
        number = options.seed
        asked = re.search(r"^Agents?: (.+)$", messages[-1].text, re.MULTILINE)[1]
        if "credit per agent" in messages[-1].text:
            return json.dumps({agent: {"score": 0.1, "feedback": f"<{number}:{agent}>"} for agent in self.agents})
        return f"<{number}:{asked}>"

    def rewrite(self, messages, options):
        tag = re.search(r"<(NEW_[0-9a-f]{8})>", messages[-1].text)[1]
        return f"Better:\n<{tag}>\nNew {json_block(messages)['role']}.\n</{tag}>"

    def update(self):
        """Judge and learn; gives the learner's report and keeps the critic's."""

        async def judge_and_learn():
            judgement = await self.episode_critic.judge(self.episodes)
            self.judged = judgement.report
            return await self.learner.update(judgement.episodes)

        return asyncio.run(judge_and_learn())


def json_block(messages):
    return json.loads(re.search(r"```json\n(.*?)\n```", messages[-1].text, re.DOTALL)[1])


@pytest.mark.parametrize(("paradigm", "critic", "optimizer"), [
    ("central_global", 4, 3),
    ("independent", 12, 3),
    ("central_credit", 4, 3),
])  # fmt: skip
def test_calls_per_update_for_4_episodes_and_3_agents(paradigm, critic, optimizer):
    team = Team(paradigm)
    team.update()
    assert (team.meter.tally("critic").calls, team.meter.tally("optimizer").calls) == (critic, optimizer)
    assert team.meter.tally().calls == critic + optimizer


@pytest.mark.parametrize("keepers", [1, 2, 3])
@pytest.mark.parametrize("episodes", [1, 2, 4, 7])
@pytest.mark.parametrize("paradigm", ["central_global", "independent", "central_credit"])
def test_every_gradient_of_every_episode_appears_exactly_once(paradigm, keepers, episodes):
    team = Team(paradigm, keepers, episodes)
    team.update()
    for call in team.optimizer.calls:
        data = json_block(call.messages)
        agent = data["role"].removeprefix("policy of ")
        marks = [mark for item in data["feedback"] for mark in re.findall(r"<(\d+):(\w+)>", item["text"])]
        about = "all" if paradigm == "central_global" else agent
        assert len(marks) == episodes
        assert len(set(marks)) == episodes
        assert {owner for _, owner in marks} == {about}


def test_questions_of_all_episodes_are_asked_at_the_same_time():
    team = Team("independent")
    under_way = most = 0

    class Slow(ScriptedEngine):
        async def generate(self, messages, options=None):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1
            return await super().generate(messages, options)

    team.episode_critic._engine = Slow(team.judge)
    team.update()
    assert most == 12


def test_both_levels_of_an_update_are_concurrent():
    """Seven calls (four evaluations, three rewrites) take two call times."""
    team = Team("central_credit")
    waves = []

    class Wave(ScriptedEngine):
        under_way = 0

        async def generate(self, messages, options=None):
            Wave.under_way += 1
            await asyncio.sleep(0.01)
            waves.append((options.role, Wave.under_way))
            await asyncio.sleep(0.01)
            Wave.under_way -= 1
            return await super().generate(messages, options)

    team.episode_critic._engine = Wave(team.judge)
    team.learner.optimizer._rewriter = replace(team.learner.optimizer._rewriter, engine=Wave(team.rewrite))
    team.update()
    assert waves == [("critic", 4)] * 4 + [("optimizer", 3)] * 3


def merged(messages):
    """The summary of a request to merge: all its pieces, in brackets."""
    tag = re.search(r"<(MERGED_[0-9a-f]{8})>", messages[-1].text)[1]
    return f"<{tag}>({' '.join(item['text'] for item in json_block(messages)['feedback'])})</{tag}>"


class Summing(Team):
    """A team whose critic summarises what it said of several episodes."""

    def __init__(self, paradigm, **options):
        super().__init__(paradigm, critic=self.judge_or_merge, summary=True, **options)

    def judge_or_merge(self, messages, options):
        return merged(messages) if "MERGED_" in messages[-1].text else self.judge(messages, options)

    def feedback_seen(self):
        return [json_block(call.messages)["feedback"] for call in self.optimizer.calls]


@pytest.mark.parametrize(
    ("paradigm", "critic"), [("central_global", 4 + 1), ("independent", 12 + 3), ("central_credit", 4 + 3)]
)
def test_one_summary_per_agent_over_all_episodes(paradigm, critic):
    team = Summing(paradigm)
    report = team.update()
    assert team.meter.tally("critic").calls == critic
    assert report.metrics["summaries"] == critic - team.judged.metrics["critic_calls"]
    for feedback in team.feedback_seen():
        assert len(feedback) == 1
        assert len(re.findall(r"<\d+:\w+>", feedback[0]["text"])) == 4


def test_a_single_episode_needs_no_summary():
    team = Summing("central_credit", episodes=1)
    assert team.update().metrics["summaries"] == 0
    assert team.meter.tally("critic").calls == 1


def test_a_summary_that_is_kept_is_summarised_with_what_is_said_later(tmp_path):
    team = Summing("central_credit", gate=Refuses())
    team.update()
    team.learner.save(tmp_path)
    again = Summing("central_credit", gate=Refuses())
    again.learner.load(tmp_path)
    for one in (team, again):
        one.episodes = [type(episode)(**{**fields(episode), "iteration": 1}) for episode in one.episodes]
        one.update()
        assert len(re.findall(r"<\d+:keeper_2>", one.feedback_seen()[-1][0]["text"])) == 8
    assert team.feedback_seen()[3:] == again.feedback_seen()


def test_a_model_that_does_not_summarise_leaves_the_pieces_and_says_so():
    def script(messages, options):
        if "MERGED_" in messages[-1].text:
            raise EngineRefusal("no")
        return team.judge(messages, options)

    team = Team("central_credit", critic=script, summary=True)
    report = team.update()
    assert "does not summarise" in " ".join(report.notes)
    assert [len(json_block(call.messages)["feedback"]) for call in team.optimizer.calls] == [4, 4, 4]


def test_gradient_memory_shows_feedback_of_earlier_updates_after_a_load_too(tmp_path):
    def shown(team):
        history = json_block(team.optimizer.calls[-1].messages)["history"]
        return [re.findall(r"<\d+:\w+>", text) for entry in history for text in entry.get("feedback", [])]

    team = Team("central_credit", gradient_memory=1)
    team.update()
    team.learner.save(tmp_path)
    again = Team("central_credit", gradient_memory=1)
    again.learner.load(tmp_path)
    for one in (team, again):
        one.episodes = [type(episode)(**{**fields(episode), "iteration": 1}) for episode in one.episodes]
        one.update()
        assert len(shown(one)) == 4
    assert shown(team) == shown(again)


def test_feedback_that_is_still_there_is_not_shown_a_second_time_as_memory(tmp_path):
    team = Team("central_credit", gate=Refuses(), gradient_memory=2)
    team.update()
    team.learner.save(tmp_path)
    again = Team("central_credit", gate=Refuses(), gradient_memory=2)
    again.learner.load(tmp_path)
    for one in (team, again):
        one.update()
        text = json.dumps(json_block(one.optimizer.calls[-1].messages)["history"])
        assert not re.search(r"<\d+:", text)


def test_what_is_said_of_single_cycles_follows_in_the_same_piece_of_feedback():
    def judge(messages, options):
        return json.dumps(
            {"keeper_0": {"score": 1, "feedback": "good", "steps": [{"cycle": 0, "score": 1, "feedback": "quick"}]}}
        )

    team = Team("central_credit", keepers=2, episodes=2, critic=judge)
    team.update()
    [call] = team.optimizer.calls
    assert [item["text"] for item in json_block(call.messages)["feedback"]] == ["good\nCycle 0: quick"] * 2


def test_agent_by_agent_the_feedback_on_policies_that_stay_stays():
    class First:
        """Takes what changes keeper_0 alone."""

        async def judge(self, incumbent, candidate, iteration):
            return Verdict(candidate["keeper_0"] != incumbent["keeper_0"], "it is the first", score=1.0, gain=2.0)

        def state(self):
            return []

        def restore(self, state):
            pass

    decisions = []
    team = Team("central_credit", gate=First(), gate_scope="agent", report=decisions.append)
    report = team.update()
    assert [(one.agents, one.verdict.accepted) for one in decisions] == [
        (("keeper_0",), True),
        (("keeper_1",), False),
        (("keeper_2",), False),
    ]
    assert report.changed
    assert report.metrics["gain"] == 2.0
    assert report.metrics["decisions"] == 3
    assert report.notes[0] == "accepted for keeper_0; kept the present policies of the other 2 with a proposal"
    assert [len(one.gradients) for one in team.learner.optimizer.parameters] == [0, 4, 4]


def test_feedback_on_a_policy_that_is_gone_says_so():
    team = Team("central_credit", keepers=1, episodes=1)
    team.update()
    team.update()  # the same episodes, of the policy before
    told = [json_block(call.messages)["feedback"][0]["used_as"] for call in team.optimizer.calls]
    assert told == ["the policy that acted in episode 0", "an earlier policy that acted in episode 0"]


def test_an_accepted_proposal_replaces_the_policies():
    team = Team("central_credit")
    report = team.update()
    assert report.changed
    assert team.learner.policies == {agent: f"New policy of {agent}." for agent in team.agents}


class Refuses:
    """A gate that lets nothing in."""

    def __init__(self):
        self.seen = []

    async def judge(self, incumbent, candidate, iteration):
        self.seen.append((dict(incumbent), dict(candidate), iteration))
        return Verdict(False, "worse", score=1.5, episodes=6)

    def state(self):
        return []

    def restore(self, state):
        assert state == []


def test_a_refused_proposal_changes_nothing_and_is_shown_as_a_failure_next_time():
    gate = Refuses()
    team = Team("central_credit", gate=gate)
    report = team.update()
    assert not report.changed
    assert team.learner.policies == team.policies
    assert gate.seen == [(team.policies, {agent: f"New policy of {agent}." for agent in team.agents}, 0)]
    assert report.metrics["score"] == 1.5
    assert report.notes[0] == "worse"
    team.update()
    last = json_block(team.optimizer.calls[-1].messages)
    assert "New policy of" in json.dumps(last["history"])


def test_feedback_on_policies_that_stay_stays_too_each_piece_once(tmp_path):
    team = Team("central_credit", gate=Refuses())
    team.update()
    team.learner.save(tmp_path)
    again = Team("central_credit", gate=Refuses())
    again.learner.load(tmp_path)
    for one in (team, again):
        one.episodes = [type(episode)(**{**fields(episode), "iteration": 1}) for episode in one.episodes]
        one.update()
        last = json_block(one.optimizer.calls[-1].messages)
        marks = [mark for item in last["feedback"] for mark in re.findall(r"<(\d+):keeper_2>", item["text"])]
        assert len(marks) == len(set(marks)) == 8


def fields(episode):
    return {name: getattr(episode, name) for name in type(episode).__dataclass_fields__}


def test_an_agent_that_the_critic_is_silent_about_keeps_its_policy():
    def judge(messages, options):
        return json.dumps({"keeper_1": {"score": 1, "feedback": "good"}})

    team = Team("central_credit", critic=judge)
    team.update()
    assert len(team.optimizer.calls) == 1
    assert team.learner.policies["keeper_0"] == "Old policy of keeper_0."
    assert team.learner.policies["keeper_1"] == "New policy of keeper_1."
    assert team.judged.metrics["missing_credit"] == 4 * 2
    assert "nothing usable of an agent 8 times" in " ".join(team.judged.notes)


def test_a_critic_that_fails_teaches_nothing_and_ends_nothing():
    def broken(messages, options):
        raise EngineReplyError("the reply is empty")

    team = Team("independent", critic=broken)
    report = team.update()
    assert not report.changed
    assert not team.optimizer.calls
    assert "(no reply: the reply is empty)" in team.judged.files["textgrad_evaluations.txt"]


def test_a_refused_key_ends_the_update():
    def refused(messages, options):
        raise EngineAccessError("no such key")

    team = Team("central_global", critic=refused)
    with pytest.raises(EngineAccessError):
        team.update()


def test_unusable_proposals_are_counted_and_change_nothing():
    team = Team("central_credit", optimizer=lambda *_: "I have no idea")
    report = team.update()
    assert not report.changed
    assert team.learner.policies == team.policies
    assert report.metrics["unusable_proposals"] == 3


def test_credit_goes_into_the_record_of_its_episode():
    team = Team("central_credit", keepers=2, episodes=2)
    team.update()
    report = team.judged
    assert set(report.credits) == {0, 1}
    assert [(one.agent, one.score, one.source) for one in report.credits[1]] == [
        ("keeper_0", 0.1, "scripted"),
        ("keeper_1", 0.1, "scripted"),
    ]


def test_the_transcript_holds_questions_and_replies():
    team = Team("central_credit", keepers=2, episodes=2)
    team.update()
    text = team.judged.files["textgrad_evaluations.txt"]
    assert "[2] Episode 1 – Credit Assignment" in text
    assert text.count("PROMPT\n") == text.count("REPLY\n") == 2
    assert "Evaluations: 2" in text


def test_episodes_that_failed_are_left_out_and_counted():
    team = Team("central_global")
    team.episodes[1] = type(team.episodes[1])(episode_id=1, error="the ball burst")
    report = team.update()
    assert len(team.critic.calls) == 3
    assert "1 of 4 episodes failed" in " ".join(report.notes)


def test_saved_and_loaded(tmp_path):
    team = Team("central_credit")
    team.update()
    team.learner.save(tmp_path)
    other = Team("central_credit")
    other.learner.load(tmp_path)
    assert other.learner.policies == team.learner.policies
    with pytest.raises(FileFormatError, match="a text for each of"):
        Team("central_credit", keepers=2).learner.load(tmp_path)


class Counts:
    """A gate that takes nothing and counts how often it was asked."""

    def __init__(self):
        self.asked = 0

    async def judge(self, incumbent, candidate, iteration):
        self.asked += 1
        return Verdict(False, f"refusal number {self.asked}")

    def state(self):
        return [self.asked]

    def restore(self, state):
        [self.asked] = state


def test_a_learner_that_was_loaded_asks_what_the_saved_one_would_have_asked(tmp_path):
    one = Team("central_credit", gate=Counts())
    for _ in range(3):
        one.update()
    one.learner.save(tmp_path)
    other = Team("central_credit", gate=Counts())
    other.learner.load(tmp_path)
    before = len(one.optimizer.calls)
    assert one.update().notes == other.update().notes
    assert one.optimizer.calls[before:] == other.optimizer.calls
    shown = json_block(other.optimizer.calls[0].messages)["history"]
    assert [entry["outcome"] for entry in shown] == [f"not taken: refusal number {i}" for i in (1, 2, 3)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state["optimizer"].pop("history"),
        lambda state: state["optimizer"]["history"].pop(),
        lambda state: state["optimizer"]["history"][0].update(length="many"),
        lambda state: state["optimizer"]["history"][0].update(attempts=[{"old": "x"}]),
        lambda state: state.update(gate=[{"incumbent": "a"}]),
        lambda state: state.update(optimizer=None),
        lambda state: state.pop("gate"),
        lambda state: state.update(policies={}),
    ],
)
def test_a_damaged_state_is_named_with_the_way_out(tmp_path, damage):
    team = Team("central_credit")
    team.update()
    team.learner.save(tmp_path)
    state = json.loads((tmp_path / "textual.json").read_text())
    damage(state)
    (tmp_path / "textual.json").write_text(json.dumps(state))
    gate = PairedGate(None, None, max_pairs=5, alpha=0.05, sequential=True)
    with pytest.raises(FileFormatError, match=r"learner state .*textual\.json.*textgrad-agents rebuild"):
        Team("central_credit", gate=gate).learner.load(tmp_path)
